// A file that says which user an anonymous id (a cookie, a device) is, so that what was clicked before a login and what
// was bought after it belong together.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "train/attribution/click_log.h"
#include "train/data/folder_columns.h"
#include "train/data/missing_names.h"
#include "train/data/text_table.h"

namespace mal {

class IdentityMap {
 public:
  // columns: of the anonymous id and of its user. skip_missing: rows that lack one of them are left out; otherwise they
  // are an error. Throws for an id of two users, and for ids that lead back to themselves.
  IdentityMap(const std::vector<std::string>& files, const std::vector<std::string>& columns,
              const MissingNames& missing, bool skip_missing, char delimiter, const FolderColumns& folders);

  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t find(std::string_view id) const;  // kNone: the map has no user for it
  const std::string& user_of(std::uint32_t found) const { return names_.name(user_[found]); }

  std::uint32_t size() const { return static_cast<std::uint32_t>(names_.size()); }  // ids and users
  std::uint64_t ids() const { return ids_; }
  std::uint64_t skipped_rows() const { return skipped_rows_; }
  const std::string& first_id() const { return first_id_; }

 private:
  void read(std::size_t file, const TextTable& table, int anonymous, int user);
  void resolve();
  bool follow(std::uint32_t id, const std::vector<bool>& endless, std::vector<std::uint32_t>& path) const;
  std::string place_text(std::uint64_t place) const;

  std::vector<std::string> files_;
  Interner names_;
  std::vector<std::uint32_t> user_;   // [name]: kNone, the user of its row and, once resolved, the one at the end
  std::vector<std::uint64_t> place_;  // [name]: of its row
  std::uint64_t ids_ = 0, skipped_rows_ = 0;
  std::string first_id_;
};

}  // namespace mal
