// Whose a row is: its user, after --drop-anonymous and --identity had their say.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/identity.h"
#include "train/data/missing_names.h"
#include "train/data/text_table.h"

namespace mal {

enum class RowKind { click, conversion, other };

class Users {
 public:
  // Reads the identity map. log: gets the counts.
  Users(const AttributeOptions& options, ClickLog& log);

  // True: the row has no user, and the option says that such rows are left out.
  bool anonymous(const TextTable& table, int column) const { return drop_ && missing_.has(table.field(column)); }
  void leave_out(RowKind kind);  // counts such a row

  // The user of a row, valid until the next. Throws where there is none.
  std::string_view operator()(const TextTable& table, int column, RowKind kind) {
    const std::string_view user = name(table, column);
    return identity_ ? identified(user, kind) : user;
  }

 private:
  std::string_view name(const TextTable& table, int column) const;
  std::string_view identified(std::string_view user, RowKind kind);

  ClickLog& log_;
  MissingNames missing_;
  bool drop_;
  std::optional<IdentityMap> identity_;
  std::vector<bool> seen_;  // [what the map finds]
};

}  // namespace mal
