#include "train/attribution/users.h"

#include "train/attribution/click_sink.h"
#include "train/attribution/text.h"

namespace mal {

Users::Users(const AttributeOptions& options, ClickLog& log)
    : log_(log), missing_(options.na), drop_(options.drop_anonymous) {
  if (options.identity.empty()) return;
  identity_.emplace(options.identity, column_names(options.identity_columns, "--identity-columns"), missing_, drop_,
                    options.delimiter, options.folders);
  seen_.resize(identity_->size());
  log_.identity.ids = identity_->ids();
  log_.identity.skipped_rows = identity_->skipped_rows();
  log_.identity.first_id = identity_->first_id();
}

void Users::leave_out(RowKind kind) {
  ++log_.skipped_rows;
  if (kind == RowKind::click) ++log_.anonymous.clicks;
  if (kind == RowKind::conversion) ++log_.anonymous.conversions;
}

std::string_view Users::name(const TextTable& table, int column) const {
  return checked_name(table, column, missing_, " by --drop-anonymous");
}

std::string_view Users::identified(std::string_view user, RowKind kind) {
  const std::uint32_t found = identity_->find(user);
  if (found == IdentityMap::kNone) return user;
  if (!seen_[found]) {
    seen_[found] = true;
    ++log_.identity.ids_in_log;
  }
  if (kind == RowKind::click) ++log_.identity.rows.clicks;
  if (kind == RowKind::conversion) ++log_.identity.rows.conversions;
  return identity_->user_of(found);
}

}  // namespace mal
