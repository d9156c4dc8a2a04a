#include "train/data/number_field.h"

#include <optional>

#include "engine/error.h"
#include "train/data/missing_names.h"
#include "train/data/parse_number.h"

namespace mal {

namespace {

// Of numbers NA is missing too, as R writes it; of names it is Namibia.
const MissingNames& missing_numbers() {
  static const MissingNames kMissing("NA");
  return kMissing;
}

}  // namespace

double number_of(const Column& column, const TextTable& table, int field) {
  const std::string_view text = table.field(field);
  const std::optional<double> value = parse_number(text);
  if (value && std::isfinite(*value)) return column.of_missing ? 0.0 : *value;
  const bool missing = missing_numbers().has(text);
  if (missing && column.of_missing) return 1.0;
  if (missing && column.may_be_missing()) return std::numeric_limits<double>::quiet_NaN();
  if (missing)
    fail("{}: {}{}", table.where(field),
         text.empty() ? std::string("the field is empty, a number belongs there")
                      : fmt::format("'{}' is no number", text),
         kMissingHint);
  return table.number(field);  // says what is wrong
}

}  // namespace mal
