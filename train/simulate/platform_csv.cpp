#include "train/simulate/platform_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "engine/file.h"

namespace mal {

namespace {

// "-0.07". By hand: fmt's floats would be most of the time of the whole command.
void append_score(std::string& text, int hundredths) {
  const int size = std::abs(hundredths);
  if (hundredths < 0) text += '-';
  text += static_cast<char>('0' + size / 100);
  text += '.';
  text += static_cast<char>('0' + size / 10 % 10);
  text += static_cast<char>('0' + size % 10);
}

void append_id(std::string& text, std::uint32_t id) {
  const fmt::format_int digits(id);
  text.append(digits.data(), digits.size());
}

}  // namespace

int noisy_likeness(const World& world, const Ad& seen, const Ad& target, bool image, double noise) {
  const double truth = image ? cosine(seen.image, target.image) : cosine(seen.text, target.text);
  const double score = truth + world.parameters.scores.noise * noise;
  return static_cast<int>(std::lround(std::clamp(score, -1.0, 1.0) * 100));
}

ClickWriter::ClickWriter(const World& world, std::vector<Profile> profiles, std::span<const std::uint32_t> clicks_of)
    : world_(world),
      history_(static_cast<std::size_t>(world.parameters.scores.history)),
      score_noise_(world.seed, kScoreNoise),
      profiles_(std::move(profiles)),
      written_(clicks_of.size(), 0),
      recent_(clicks_of.size() * history_) {
  first_index_.reserve(clicks_of.size());
  std::uint64_t index = 0;
  for (const std::uint32_t clicks : clicks_of) {
    first_index_.push_back(index);
    index += clicks;
  }
}

std::string_view ClickWriter::header() {
  return "time,user,age,gender,city,spending,ad_item,advertiser,campaign,industry,category,brand,price_bucket,channel,"
         "hour,weekday,item_seq,category_seq,brand_seq,image_scores,text_scores,oracle\n";
}

void ClickWriter::look_up(std::span<const SimulatedClick> clicks, Rows& rows) {
  rows.rows.clear();
  rows.seen.clear();
  for (const SimulatedClick& click : clicks) {
    std::uint32_t& written = written_[click.user];
    const std::size_t history = std::min<std::size_t>(written, history_);
    std::uint32_t* ring = &recent_[click.user * history_];
    rows.rows.push_back({click, first_index_[click.user] + written, history, rows.seen.size()});
    for (std::size_t back = history; back > 0; --back) rows.seen.push_back(ring[(written - back) % history_]);
    ring[written++ % history_] = click.ad;
  }
}

void ClickWriter::append(std::string& text, const Rows& rows, std::size_t index) const {
  const Row& row = rows.rows[index];
  const SimulatedClick& click = row.click;
  const Ad& ad = world_.ads[click.ad];
  const Profile& user = profiles_[click.user];
  const std::vector<Industry>& industries = world_.parameters.industries;
  const std::vector<Channel>& channels = world_.parameters.channels;
  fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}", click.time, click.user,
                 user.age, user.gender, user.city, user.spending, click.ad, ad.advertiser, ad.campaign,
                 industries[ad.industry].name, ad.category, ad.brand, ad.price_bucket, channels[click.channel].name,
                 click.time / 3600 % 24, (click.time - kSimulationStart) / 86400 % 7);
  const auto seen = std::span(rows.seen).subspan(row.first_seen, row.history);
  append_sequences(text, seen);
  append_scores(text, row, seen, true);
  append_scores(text, row, seen, false);
  fmt::format_to(std::back_inserter(text), ",{}\n", click.oracle);
}

void ClickWriter::append_sequences(std::string& text, std::span<const std::uint32_t> seen) const {
  const auto sequence = [&](auto&& id_of) {
    text += ',';
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (i > 0) text += '|';
      append_id(text, id_of(seen[i]));
    }
  };
  sequence([](std::uint32_t ad) { return ad; });
  sequence([this](std::uint32_t ad) { return world_.ads[ad].category; });
  sequence([this](std::uint32_t ad) { return world_.ads[ad].brand; });
}

void ClickWriter::append_scores(std::string& text, const Row& row, std::span<const std::uint32_t> seen,
                                bool image) const {
  const Ad& target = world_.ads[row.click.ad];
  const std::uint64_t first_draw = row.index * (2 * history_);
  text += ',';
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const std::uint64_t draw = first_draw + noise_place(seen.size(), i, image);
    if (i > 0) text += '|';
    append_score(text, noisy_likeness(world_, world_.ads[seen[i]], target, image, score_noise_.normal(draw)));
  }
}

void write_conversions(const std::string& path, std::span<const SimulatedConversion> conversions) {
  OutputFile file(path);
  file.write("time,user,advertiser,conversion_id,value\n");
  std::size_t id = 0;
  for (const SimulatedConversion& c : conversions)
    file.write(fmt::format("{},{},{},{},{:.2f}\n", c.time, c.user, c.advertiser, id++, c.value));
  file.commit();
}

}  // namespace mal
