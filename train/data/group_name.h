// The names of a schema's column of groups.
#pragma once

#include <string_view>

#include "engine/error.h"
#include "train/data/missing_names.h"

namespace mal {

// Throws Error for a name that is none: the rows of all unknown users would be one user in GAUC.
template <typename Where>
void check_group(std::string_view text, const Where& where) {
  static const MissingNames kMissing;
  if (!kMissing.has(text)) return;
  if (text.empty())
    fail("{}: the group is empty; rows of unknown users would count as one user, leave them out", where());
  fail(
      "{}: the group '{}' says that there is none; rows of unknown users would count as one user, leave them out "
      "(if it is a name, write another for it)",
      where(), text);
}

}  // namespace mal
