#include "train/attribution/click_parts.h"

#include <fmt/format.h>

#include <limits>
#include <queue>
#include <utility>

#include "train/attribution/known_log.h"

namespace mal {

namespace {

// Kinds of records. kNamed: the key is a name of the input, and not of one user.
constexpr std::uint8_t kConversion = 0, kClick = 1, kKeptFrom = 2, kNamed = 4;
constexpr std::uint32_t kNoUser = std::numeric_limits<std::uint32_t>::max();

}  // namespace

ClickParts::ClickParts(const AttributeOptions& options, const std::string& folder, std::size_t numbers)
    : ClickTarget(options.time_format),
      folder_(folder),
      time_format_(options.time_format),
      with_kinds_(options.click_events.size() > 1),
      with_slices_(!options.by.empty()),
      with_delays_(!options.delay_by.empty()),
      with_truth_(!options.truth.empty()),
      with_cost_(!options.cost.empty()),
      open_groups_(wants_open_groups(options)),
      uncut_(wants_uncut(options)),
      histories_(options.history.size()),
      numbers_(numbers) {
  for (std::size_t part = 0; part < kParts; ++part) files_.emplace_back(fmt::format("{}/clicks-{:03}", folder, part));
  if (std::optional<NamedLayout> layout = named_layout(options)) names_.emplace(folder, *std::move(layout));
}

void ClickParts::put_click(std::uint8_t kind, const ReadClick& click, std::string_view user, std::string_view key) {
  PartFile& file = files_[part_of(user)];
  file.put(kind);
  file.put(click.time);
  file.put(click.number);
  file.put(click.channel);
  if (with_kinds_) file.put(click.kind);
  file.put(click.row);
  file.put(click.digest);
  if (with_slices_) file.put(click.slice);
  if (with_delays_) file.put(click.delay_group);
  if (with_truth_) file.put(click.truth);
  if (with_cost_) file.put(click.cost);
  file.put(user);
  file.put(key);
  for (const std::string_view value : click.history) file.put(value);
  counts_.add_click(click.time);
}

void ClickParts::put_time(std::uint8_t kind, std::int64_t time, double value, std::string_view user,
                          std::string_view key) {
  PartFile& file = files_[part_of(user)];
  file.put(kind);
  file.put(time);
  file.put(value);
  file.put(user);
  file.put(key);
}

// The key of a name, within its user's part.
std::string_view ClickParts::key_of(std::uint32_t file, std::string_view name) {
  const fmt::format_int number(file);
  key_.assign(number.data(), number.size());
  key_ += ':';
  key_ += name;
  return key_;
}

void ClickParts::add_click(const ReadClick& click, std::string_view user, std::string_view key) {
  note_first(user, key);
  put_click(kClick, click, user, key);
}

void ClickParts::add_conversion(const ReadConversion& conversion, std::string_view user, std::string_view key) {
  put_time(kConversion, conversion.time, conversion.value, user, key);
  PartFile& file = files_[part_of(user)];
  file.put(conversion.place);
  file.put(conversion.has_id);
  counts_.add_conversion(conversion.time, conversion.value);
}

void ClickParts::add_named(const NamedRow& row, const ReadClick* click) {
  names_->add(row, click != nullptr);
  if (click == nullptr) return;
  put_click(kClick | kNamed, *click, row.user, key_of(names_->layout().file_of_name(row), row.name));
  if (open_groups_) files_[part_of(row.user)].put(row.key);
}

void ClickParts::finish() {
  if (names_) {
    LogCounts touches(time_format_);
    const auto put = [this](const NamedOutcome& outcome) {
      const std::string_view key = key_of(outcome.file, outcome.name);
      if (outcome.kept_from) put_time(kKeptFrom | kNamed, *outcome.kept_from, 0, outcome.user, key);
      if (!outcome.conversion) return;
      put_time(kConversion | kNamed, *outcome.conversion, outcome.value, outcome.user, key);
      counts_.add_conversion(*outcome.conversion, outcome.value);
    };
    names_->resolve(put, touches);
    if (names_->layout().truncate > 0) {
      touches.conversions = counts_.conversions;
      touches.value = counts_.value;
      touches.last_conversion = counts_.last_conversion;
      counts_ = touches;
    }
    names_.reset();
  }
  for (PartFile& file : files_) file.finish();
}

ClickLog ClickParts::load(std::size_t part) {
  ClickLog log;
  PairInterner groups;
  std::vector<std::int64_t> kept_from;  // of some groups
  log.history.resize(histories_);
  log.history_values.resize(histories_);
  PartFile& file = files_[part];
  file.open();
  std::uint8_t kind = 0;
  struct Ids {
    std::uint32_t user, key, group;
  };
  const auto ids = [&] {
    const std::uint32_t user = log.users.intern(file.get_text());
    const std::uint32_t key = log.keys.intern(file.get_text());
    return Ids{user, key, groups.intern((kind & kNamed) != 0 ? kNoUser : user, key, log.groups)};
  };
  while (file.read(&kind, sizeof kind)) {
    const auto time = file.get<std::int64_t>();
    if ((kind & kClick) == 0) {
      const auto value = file.get<double>();
      const Ids its = ids();
      if ((kind & kKeptFrom) != 0) {
        kept_from.resize(log.groups, std::numeric_limits<std::int64_t>::min());
        kept_from[its.group] = time;
      } else if ((kind & kNamed) != 0) {
        log.conversions.push_back({time, value, kNoPlace, its.group, its.user, its.key, true});
      } else {
        const auto place = file.get<std::uint64_t>();
        log.conversions.push_back({time, value, place, its.group, its.user, its.key, file.get<bool>()});
      }
      continue;
    }
    log.time.push_back(time);
    log.number.push_back(file.get<std::uint32_t>());
    log.channel.push_back(file.get<std::uint32_t>());
    if (with_kinds_) log.kind.push_back(file.get<std::uint8_t>());
    log.row.push_back(file.get<std::uint64_t>());
    log.digest.push_back(file.get<std::uint32_t>());
    if (with_slices_) log.slice.push_back(file.get<std::uint32_t>());
    if (with_delays_) log.delay_group.push_back(file.get<std::uint32_t>());
    if (with_truth_) log.truth.push_back(file.get<float>());
    if (with_cost_) log.cost.push_back(file.get<double>());
    const Ids its = ids();
    log.user.push_back(its.user);
    log.group.push_back(its.group);
    for (std::size_t h = 0; h < histories_; ++h)
      log.history[h].push_back(log.history_values[h].intern(file.get_text()));
    if (open_groups_)
      log.open_group.push_back(
          (kind & kNamed) == 0 ? its.group : groups.intern(its.user, log.keys.intern(file.get_text()), log.groups));
  }
  if (kept_from.empty()) return log;
  if (uncut_) log.uncut = {log.time, log.user, log.group, log.channel};
  log.keep_from(kept_from);
  return log;
}

void ClickParts::add_line(std::size_t part, const ClickLine& line, std::uint32_t number) {
  // Parts come one after the other: the one before is complete.
  if (runs_.size() <= part) {
    if (!runs_.empty()) runs_.back().finish();
    while (runs_.size() <= part) runs_.emplace_back(fmt::format("{}/lines-{:03}", folder_, runs_.size()));
  }
  PartFile& file = runs_[part];
  file.put(line.time);
  file.put(number);
  file.put(line.row);
  file.put(line.path_length);
  file.write(line.numbers, numbers_ * sizeof(float));
  if (histories_ > 0) file.put(line.history);
}

// The next line of one part.
struct ClickParts::Run {
  PartFile* file;
  ClickLine line = {};
  std::uint32_t number = 0;
  std::vector<float> numbers = {};
  std::string history = {};

  bool next(std::size_t count, bool with_history) {
    if (!file->read(&line.time, sizeof line.time)) return false;
    number = file->get<std::uint32_t>();
    line.row = file->get<std::uint64_t>();
    line.path_length = file->get<std::uint32_t>();
    numbers.resize(count);
    for (float& value : numbers) value = file->get<float>();
    line.numbers = numbers.data();
    if (with_history) history = file->get_text();
    line.history = history;
    return true;
  }
};

void ClickParts::merge(const std::function<void(const ClickLine& line)>& visit) {
  files_.clear();  // parts without a click are still there
  std::vector<Run> runs;
  for (PartFile& file : runs_) {
    file.finish();
    file.open();
    runs.push_back({&file});
  }
  const auto later = [&](std::size_t a, std::size_t b) {
    return std::pair(runs[a].line.time, runs[a].number) > std::pair(runs[b].line.time, runs[b].number);
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> queue(later);
  for (std::size_t r = 0; r < runs.size(); ++r)
    if (runs[r].next(numbers_, histories_ > 0)) queue.push(r);
  while (!queue.empty()) {
    const std::size_t run = queue.top();
    queue.pop();
    visit(runs[run].line);
    if (runs[run].next(numbers_, histories_ > 0)) queue.push(run);
  }
  runs_.clear();
}

}  // namespace mal
