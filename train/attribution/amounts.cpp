#include "train/attribution/amounts.h"

#include "engine/error.h"

namespace mal {

namespace {

constexpr double kLargestAmount = 1e12;  // sums of 2^28 of them are exact

}  // namespace

double checked_amount(const TextTable& table, int column, const char* what) {
  const double amount = table.number(column);
  if (amount < 0)
    fail("{}: {} {} is negative; leave such rows out, or subtract them from the rows that they cancel",
         table.where(column), what, table.field(column));
  if (amount > kLargestAmount)
    fail("{}: {} {} is more than 1e12; is this the right column for --{}?", table.where(column), what,
         table.field(column), what);
  return amount;
}

void ValueColumn::open(const TextTable& table) {
  if (options_.value) {
    column_ = options_.value->empty() ? std::nullopt : std::optional(table.require(*options_.value, "--value"));
  } else if (!options_.conversions.empty()) {
    if (!opened_) by_default_ = table.find("value").has_value();
    column_ = by_default_ ? std::optional(table.require("value", "--value")) : std::nullopt;
  }
  opened_ = true;
}

double ValueColumn::operator()(const TextTable& table) const {
  if (!column_) return 0;
  if (!by_default_) return checked_amount(table, *column_, "value");
  try {
    return checked_amount(table, *column_, "value");
  } catch (const Error& error) {
    fail("{} (--value '' reads no values)", error.what());
  }
}

}  // namespace mal
