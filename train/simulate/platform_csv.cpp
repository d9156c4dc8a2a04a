#include "train/simulate/platform_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "engine/file.h"

namespace mal {

namespace {

constexpr double kScoreNoise = 0.05;

// "-0.07": a score with two decimals. By hand: fmt's floats would be most of the time of the whole command.
void append_score(std::string& text, double score) {
  const int hundredths = static_cast<int>(std::lround(std::clamp(score, -1.0, 1.0) * 100));
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

ClickWriter::ClickWriter(const Platform& platform, std::uint32_t users)
    : platform_(platform), score_noise_(platform.world.seed, "simulate: score noise") {
  const Random profiles(platform.world.seed, "simulate: users");
  users_.reserve(users);
  for (std::uint32_t user = 0; user < users; ++user) users_.push_back(make_user(platform.world, profiles, user));
  first_click_.assign(users, 0);
  for (std::size_t click = platform.clicks.size(); click-- > 0;) first_click_[platform.clicks[click].user] = click;
}

std::string_view ClickWriter::header() {
  return "time,user,age,gender,city,spending,ad_item,advertiser,campaign,industry,category,brand,price_bucket,channel,"
         "hour,weekday,item_seq,category_seq,brand_seq,image_scores,text_scores,oracle\n";
}

void ClickWriter::append(std::string& text, std::size_t index) const {
  const SimulatedClick& click = platform_.clicks[index];
  const Ad& ad = platform_.world.ads[click.ad];
  const User& user = users_[click.user];
  fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}", click.time, click.user,
                 user.age, user.gender, user.city, user.spending, click.ad, ad.advertiser, ad.campaign,
                 industries()[ad.industry].name, ad.category, ad.brand, ad.price_bucket, channels()[click.channel].name,
                 click.time / 3600 % 24, (click.time - kSimulationStart) / 86400 % 7);
  append_sequences(text, index);
  append_scores(text, index, true);
  append_scores(text, index, false);
  fmt::format_to(std::back_inserter(text), ",{}\n", click.oracle);
}

void ClickWriter::append_sequences(std::string& text, std::size_t index) const {
  const std::vector<SimulatedClick>& clicks = platform_.clicks;
  const std::size_t begin = std::max(first_click_[clicks[index].user], index - std::min(index, kHistory));
  const auto sequence = [&](auto&& id_of) {
    text += ',';
    for (std::size_t i = begin; i < index; ++i) {
      append_id(text, id_of(clicks[i].ad));
      if (i + 1 < index) text += '|';
    }
  };
  sequence([](std::uint32_t ad) { return ad; });
  sequence([this](std::uint32_t ad) { return platform_.world.ads[ad].category; });
  sequence([this](std::uint32_t ad) { return platform_.world.ads[ad].brand; });
}

void ClickWriter::append_scores(std::string& text, std::size_t index, bool image) const {
  const std::vector<SimulatedClick>& clicks = platform_.clicks;
  const std::vector<Ad>& ads = platform_.world.ads;
  const std::size_t begin = std::max(first_click_[clicks[index].user], index - std::min(index, kHistory));
  const Ad& target = ads[clicks[index].ad];
  text += ',';
  for (std::size_t i = begin; i < index; ++i) {
    const Ad& seen = ads[clicks[i].ad];
    const double truth = image ? cosine(seen.image, target.image) : cosine(seen.text, target.text);
    const std::uint64_t draw = index * (2 * kHistory) + (index - i - 1) * 2 + (image ? 0 : 1);
    append_score(text, truth + kScoreNoise * score_noise_.normal(draw));
    if (i + 1 < index) text += '|';
  }
}

void write_conversions(const std::string& path, const Platform& platform) {
  OutputFile file(path);
  file.write("time,user,advertiser,conversion_id,value\n");
  std::size_t id = 0;
  for (const SimulatedConversion& c : platform.conversions)
    file.write(fmt::format("{},{},{},{},{:.2f}\n", c.time, c.user, c.advertiser, id++, c.value));
  file.commit();
}

}  // namespace mal
