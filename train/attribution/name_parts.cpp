#include "train/attribution/name_parts.h"

#include <fmt/format.h>

#include "engine/error.h"

namespace mal {

struct NameParts::Names {
  std::uint32_t file;
  Interner users = {};
  NamedGroups groups;
  std::vector<std::uint32_t> touch_group = {};  // with --truncate
  std::vector<std::int64_t> touch_time = {};

  Names(const NamedLayout& layout, std::uint32_t its_file) : file(its_file), groups(layout, users) {}
};

NameParts::NameParts(const std::string& folder, NamedLayout layout) : layout_(std::move(layout)) {
  for (std::size_t part = 0; part < kParts; ++part) files_.emplace_back(fmt::format("{}/names-{:03}", folder, part));
}

void NameParts::add(const NamedRow& row, bool touch) {
  PartFile& file = files_[part_of(row.name)];
  file.put(row.file);
  file.put(row.line);
  file.put(row.time);
  file.put(row.converted);
  file.put(touch);
  if (!layout_.value_column.empty()) file.put(row.value);
  file.put(row.user);
  file.put(row.name);
}

void NameParts::resolve(const Visit& visit, LogCounts& touches) {
  for (PartFile& part : files_) part.finish();
  for (PartFile& part : files_) {
    resolve(part, visit, touches);
    part.remove();
  }
  if (first_) fail("{}", first_->message);
}

void NameParts::resolve(PartFile& part, const Visit& visit, LogCounts& touches) {
  std::optional<Names> names;
  NamedRow row;
  part.open();
  while (part.read(&row.file, sizeof row.file)) {
    row.line = part.get<std::uint64_t>();
    row.time = part.get<std::int64_t>();
    row.converted = part.get<bool>();
    const bool touch = part.get<bool>();
    if (!layout_.value_column.empty()) row.value = part.get<double>();
    const std::uint32_t file = layout_.file_of_name(row);
    if (names && names->file != file) {
      report(*names, visit, touches);
      names.reset();
    }
    if (!names) names.emplace(layout_, file);
    const std::uint32_t user = names->users.intern(part.get_text());
    row.name = part.get_text();
    NamedGroups::Joined joined = names->groups.join(row, user, touch);
    if (!joined.contradiction.empty()) {
      const std::pair place(row.file, row.line);
      if (!first_ || place < first_->place) first_ = {place, std::move(joined.contradiction)};
      return;  // the part's other rows come later
    }
    if (touch && layout_.truncate > 0) {
      names->touch_group.push_back(joined.group);
      names->touch_time.push_back(row.time);
    }
  }
  if (names) report(*names, visit, touches);
}

void NameParts::report(Names& names, const Visit& visit, LogCounts& touches) const {
  if (first_) return;  // there will be no output
  NamedGroups& groups = names.groups;
  const bool cut = layout_.truncate > 0;
  if (cut) groups.truncate(names.touch_group, names.touch_time);
  for (std::size_t touch = 0; touch < names.touch_time.size(); ++touch) {
    if (names.touch_time[touch] >= groups.kept_from(names.touch_group[touch]))
      touches.add_click(names.touch_time[touch]);
    else
      ++touches.dropped_touches;
  }
  for (std::uint32_t group = 0; group < groups.size(); ++group)
    visit({groups.name(group), names.users.name(groups.user(group)), names.file, groups.conversion(group),
           groups.value(group), cut ? std::optional(groups.kept_from(group)) : std::nullopt});
}

}  // namespace mal
