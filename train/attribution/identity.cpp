#include "train/attribution/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "engine/error.h"
#include "train/attribution/click_sink.h"
#include "train/attribution/click_target.h"

namespace mal {

IdentityMap::IdentityMap(const std::vector<std::string>& files, const std::vector<std::string>& columns,
                         const MissingNames& missing, bool skip_missing, char delimiter, const FolderColumns& folders)
    : files_(files) {
  for (std::size_t file = 0; file < files.size(); ++file) {
    TextTable table(files[file], {.delimiter = delimiter, .folder = folders.of(files[file])});
    const int anonymous = table.require(columns[0], "--identity-columns");
    const int user = table.require(columns[1], "--identity-columns");
    while (table.next()) {
      if (skip_missing && (missing.has(table.field(anonymous)) || missing.has(table.field(user)))) {
        ++skipped_rows_;
        continue;
      }
      checked_name(table, anonymous, missing);
      checked_name(table, user, missing);
      read(file, table, anonymous, user);
    }
  }
  if (names_.size() == 0) fail("{}: no row says which user an id is", files.front());
  resolve();
}

void IdentityMap::read(std::size_t file, const TextTable& table, int anonymous, int user) {
  const std::uint32_t from = names_.intern(table.field(anonymous)), to = names_.intern(table.field(user));
  user_.resize(names_.size(), kNone);
  place_.resize(names_.size());
  if (from == to || user_[from] == to) return;  // says nothing new
  const std::uint64_t place = place_of_row(file, static_cast<std::uint64_t>(table.line()));
  if (user_[from] != kNone)
    fail(
        "{}: '{}' is user '{}', but at {} user '{}'; one id has one user (one that several people share is none of "
        "theirs: leave out its rows)",
        table.where(user), names_.name(from), names_.name(to), place_text(place_[from]), names_.name(user_[from]));
  if (ids_++ == 0) first_id_ = names_.name(from);
  user_[from] = to;
  place_[from] = place;
}

std::string IdentityMap::place_text(std::uint64_t place) const {
  return fmt::format("{}:{}", files_[file_of_place(place)], line_of_place(place));
}

// The way from an id to the user at its end, `path`; false if there is none: the way goes round in a circle that has
// its last id, or comes to an id of which this is known.
bool IdentityMap::follow(std::uint32_t id, const std::vector<bool>& endless, std::vector<std::uint32_t>& path) const {
  // Half as fast, so that they meet on a circle and only there.
  std::uint32_t slow = id;
  path.assign(1, id);
  for (bool move = false; user_[path.back()] != kNone; move = !move) {
    path.push_back(user_[path.back()]);
    if (move) slow = user_[slow];
    if (path.back() == slow || endless[path.back()]) return false;
  }
  return true;
}

// Chains end at their last user: a → b and b → c make both c.
void IdentityMap::resolve() {
  std::vector<std::uint32_t> path;
  std::vector<bool> endless(user_.size(), false);
  std::optional<std::uint64_t> first;  // of the rows that close a circle
  std::uint32_t closing = kNone;
  for (std::uint32_t id = 0; id < user_.size(); ++id) {
    if (user_[id] == kNone || endless[id]) continue;
    if (follow(id, endless, path)) {
      for (std::size_t step = 0; step + 1 < path.size(); ++step) user_[path[step]] = path.back();
      continue;
    }
    const bool known = endless[path.back()];
    for (const std::uint32_t passed : path) endless[passed] = true;
    if (known) continue;
    std::uint32_t latest = path.back();
    for (std::uint32_t on = user_[latest]; on != path.back(); on = user_[on])
      if (place_[on] > place_[latest]) latest = on;
    if (first && place_[latest] >= *first) continue;
    first = place_[latest];
    closing = latest;
  }
  if (!first) return;
  constexpr int kShown = 6;
  std::string circle = fmt::format("'{}'", names_.name(closing));
  std::uint32_t on = user_[closing];
  for (int shown = 1; on != closing && shown < kShown; ++shown, on = user_[on])
    circle += fmt::format(" → '{}'", names_.name(on));
  fail("{}: {}{} → '{}' goes round in a circle, so that none of them is a user; leave one of the rows out",
       place_text(*first), circle, on == closing ? "" : " → …", names_.name(closing));
}

std::uint32_t IdentityMap::find(std::string_view id) const {
  const std::optional<std::uint32_t> name = names_.find(id);
  return name && user_[*name] != kNone ? *name : kNone;
}

}  // namespace mal
