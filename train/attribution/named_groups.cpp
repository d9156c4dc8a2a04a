#include "train/attribution/named_groups.h"

#include <fmt/format.h>

#include <algorithm>

#include "train/attribution/read_clicks.h"
#include "train/attribution/text.h"

namespace mal {

std::optional<NamedLayout> named_layout(const AttributeOptions& options) {
  if (options.format == "csv") return std::nullopt;
  NamedLayout layout;
  layout.files = options.inputs;
  layout.value_column = options.value.value_or("");
  if (options.format == "criteo") {
    layout.noun = "conversion";
    layout.name_column = name_or(options.conversion_id, "conversion_id");
    return layout;
  }
  layout.noun = "journey";
  layout.name_column = name_or(options.journey, "journey");
  layout.outcome_column = name_or(options.conversion, "conversion");
  layout.name_a_file = true;
  layout.needs_touch = true;
  if (!options.to.empty()) layout.end = parse_time(options.to, "--to", options.time_format);
  layout.truncate = options.truncate * kSecond;
  return layout;
}

NamedGroups::Joined NamedGroups::join(const NamedRow& row, std::uint32_t user, bool touch) {
  if (const std::uint32_t file = layout_.file_of_name(row); file != file_) {
    file_ = file;
    first_ = size();
    names_ = Interner();
  }
  const std::uint32_t group = first_ + names_.intern(row.name);
  if (group == groups_.size()) groups_.push_back({row.line, row.time, row.file, user, 0, row.converted, row.value});
  Group& known = groups_[group];
  if (known.user != user || known.converted != row.converted || known.value != row.value)
    return {group, contradiction(row, user, known)};
  known.time = std::max(known.time, row.time);
  known.touches += touch ? 1 : 0;
  return {group, {}};
}

std::string NamedGroups::contradiction(const NamedRow& row, std::uint32_t user, const Group& known) const {
  const auto where = [this](std::uint32_t file, std::uint64_t line, const std::string& column) {
    return fmt::format("{}:{}:{}", layout_.files[file], line, column);
  };
  if (known.user != user)
    return fmt::format("{}: {} '{}' belongs to user '{}', but at {} to user '{}'; a {} has one user",
                       where(row.file, row.line, layout_.name_column), layout_.noun, row.name, users_.name(user),
                       where(known.file, known.line, layout_.name_column), users_.name(known.user), layout_.noun);
  if (known.converted == row.converted)
    return fmt::format("{}: {} '{}' is worth {}, but at {} {}; all rows of a {} say the same",
                       where(row.file, row.line, layout_.value_column), layout_.noun, row.name, row.value,
                       where(known.file, known.line, layout_.value_column), known.value, layout_.noun);
  return fmt::format("{}: {} '{}' has both 0 and 1; all rows of a {} say how it ended",
                     where(row.file, row.line, layout_.outcome_column), layout_.noun, row.name, layout_.noun);
}

void NamedGroups::truncate(std::span<const std::uint32_t> groups, std::span<const std::int64_t> times) {
  for (Group& group : groups_) group.touches = 0;
  for (std::size_t touch = 0; touch < groups.size(); ++touch) {
    Group& group = groups_[groups[touch]];
    if (times[touch] >= group.time - layout_.truncate) ++group.touches;
  }
  for (Group& group : groups_)
    if (group.touches < 2) group.touches = 0;
}

std::int64_t NamedGroups::kept_from(std::uint32_t group) const {
  if (groups_[group].touches == 0) return std::numeric_limits<std::int64_t>::max();
  return groups_[group].time - layout_.truncate;
}

std::optional<std::int64_t> NamedGroups::conversion(std::uint32_t group) const {
  const Group& known = groups_[group];
  if (!known.converted || (layout_.needs_touch && known.touches == 0)) return std::nullopt;
  if (layout_.end && known.time >= *layout_.end) return std::nullopt;
  return known.time;
}

}  // namespace mal
