#include "train/attribution/memory_log.h"

#include "engine/error.h"
#include "train/attribution/known_log.h"

namespace mal {

MemoryLog::MemoryLog(const AttributeOptions& options, ClickLog& log)
    : ClickTarget(options.time_format),
      log_(log),
      time_format_(options.time_format),
      with_kinds_(options.click_events.size() > 1),
      with_slices_(!options.by.empty()),
      with_delays_(!options.delay_by.empty()),
      with_truth_(!options.truth.empty()),
      with_cost_(!options.cost.empty()),
      open_groups_(wants_open_groups(options)),
      uncut_(wants_uncut(options)),
      layout_(named_layout(options)) {
  log_.history.resize(options.history.size());
  log_.history_values.resize(options.history.size());
  if (layout_) named_.emplace(*layout_, log_.users);
}

void MemoryLog::push(const ReadClick& click, std::uint32_t user, std::uint32_t group) {
  log_.time.push_back(click.time);
  log_.user.push_back(user);
  log_.group.push_back(group);
  log_.channel.push_back(click.channel);
  if (with_kinds_) log_.kind.push_back(click.kind);
  log_.row.push_back(click.row);
  log_.digest.push_back(click.digest);
  if (with_slices_) log_.slice.push_back(click.slice);
  if (with_delays_) log_.delay_group.push_back(click.delay_group);
  if (with_truth_) log_.truth.push_back(click.truth);
  if (with_cost_) log_.cost.push_back(click.cost);
  for (std::size_t h = 0; h < click.history.size(); ++h)
    log_.history[h].push_back(log_.history_values[h].intern(click.history[h]));
  counts_.add_click(click.time);
}

void MemoryLog::add_click(const ReadClick& click, std::string_view user, std::string_view key) {
  note_first(user, key);
  const std::uint32_t id = log_.users.intern(user);
  const std::uint32_t group = pairs_.intern(id, log_.keys.intern(key), log_.groups);
  push(click, id, group);
  if (open_groups_) log_.open_group.push_back(group);
}

void MemoryLog::add_conversion(const ReadConversion& conversion, std::string_view user, std::string_view key) {
  const std::uint32_t user_id = log_.users.intern(user), key_id = log_.keys.intern(key);
  const std::uint32_t group = pairs_.intern(user_id, key_id, log_.groups);
  log_.conversions.push_back(
      {conversion.time, conversion.value, conversion.place, group, user_id, key_id, conversion.has_id});
  counts_.add_conversion(conversion.time, conversion.value);
}

void MemoryLog::add_named(const NamedRow& row, const ReadClick* click) {
  const std::uint32_t user = log_.users.intern(row.user);
  const NamedGroups::Joined joined = named_->join(row, user, click != nullptr);
  if (!joined.contradiction.empty()) fail("{}", joined.contradiction);
  if (joined.group == named_group_.size()) named_group_.push_back(log_.groups++);
  if (click == nullptr) return;
  push(*click, user, named_group_[joined.group]);
  if (open_groups_) log_.open_group.push_back(pairs_.intern(user, log_.keys.intern(row.key), log_.groups));
}

void MemoryLog::finish() {
  pairs_ = {};
  if (!named_) return;
  if (layout_->truncate > 0) truncate();
  for (std::uint32_t group = 0; group < named_->size(); ++group)
    if (const std::optional<std::int64_t> time = named_->conversion(group)) {
      const double value = named_->value(group);
      log_.conversions.push_back({*time, value, kNoPlace, named_group_[group], named_->user(group), 0, true});
      counts_.add_conversion(*time, value);
    }
  named_.reset();
  named_group_ = {};
}

void MemoryLog::truncate() {
  // Only journeys are cut, and where there are journeys there are no pairs: named_group_[group] is group.
  named_->truncate(log_.group, log_.time);
  std::vector<std::int64_t> kept_from(log_.groups);
  for (std::uint32_t group = 0; group < log_.groups; ++group) kept_from[group] = named_->kept_from(group);
  const std::uint64_t before = log_.size();
  if (uncut_) log_.uncut = {log_.time, log_.user, log_.group, log_.channel};
  log_.keep_from(kept_from);
  counts_ = LogCounts(time_format_);
  counts_.dropped_touches = before - log_.size();
  for (const std::int64_t time : log_.time) counts_.add_click(time);
}

}  // namespace mal
