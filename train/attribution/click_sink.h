// What every layout does with a row once it knows that the row is a click: check the time, read what is kept of it,
// spool the columns that are passed through.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/click_target.h"
#include "train/attribution/key_columns.h"
#include "train/attribution/row_spool.h"
#include "train/attribution/users.h"
#include "train/data/missing_names.h"
#include "train/data/text_table.h"

namespace mal {

// A layout's column names, after the options had their say.
struct ColumnNames {
  std::string user, time;
  std::string key;                  // as KeyColumns takes it
  std::string channel;              // empty: the column `channel` if the first file has one, otherwise the key
  std::vector<std::string> hidden;  // tell the outcome: not passed through unless asked for by --keep
};

// The time of a row, if it is within --from … --to.
class TimeFilter {
 public:
  explicit TimeFilter(const AttributeOptions& options);

  // nullopt: outside. Throws on text, and on times inside that are before 1970 or after 2100: public logs have such
  // rows, and --from and --to are the way to leave them out.
  std::optional<std::int64_t> operator()(const TextTable& table, int column) const;

 private:
  std::optional<std::int64_t> from_, to_;
};

// The time of a field, in microseconds since 1970; throws on text and on absurd values.
std::int64_t checked_time(const TextTable& table, int column);
// A field that says what belongs together; throws where it is empty, or says that there is nothing.
// how: to leave such rows out, for the message.
std::string_view checked_name(const TextTable& table, int column, const MissingNames& missing,
                              std::string_view how = {});

class ClickSink {
 public:
  // log: gets the names of channels and slices.
  ClickSink(const AttributeOptions& options, ColumnNames names, ClickLog& log, RowSpool& spool);

  void open(const TextTable& table);  // before the rows of a file

  std::optional<std::int64_t> time(const TextTable& table) const { return filter_(table, time_); }
  std::int64_t any_time(const TextTable& table) const { return table.time(time_); }  // outside, too
  std::string_view user(const TextTable& table, RowKind kind = RowKind::click) { return users_(table, user_, kind); }
  bool anonymous(const TextTable& table) const { return users_.anonymous(table, user_); }
  Users& users() { return users_; }
  std::string_view key(const TextTable& table) { return key_(table, missing_); }  // until the next
  std::string_view name(const TextTable& table, int column) const { return checked_name(table, column, missing_); }
  // kind: of its event. Valid until the next.
  const ReadClick& click(const TextTable& table, std::int64_t time, std::uint8_t kind = 0);

  const std::vector<std::string>& columns() const { return passed_names_; }  // passed through

 private:
  void choose_channel(const TextTable& table);
  void choose_columns(const TextTable& table);
  void check_text(const TextTable& table) const;
  std::uint64_t spool_row(const TextTable& table);

  const AttributeOptions& options_;
  ColumnNames names_;
  ClickLog& log_;
  RowSpool& spool_;
  TimeFilter filter_;
  MissingNames missing_;
  Users users_;
  std::vector<std::string> passed_names_;
  int user_ = -1, time_ = -1, channel_ = -1, slice_ = -1, delay_group_ = -1, truth_ = -1, cost_ = -1;
  KeyColumns key_;
  bool key_is_channel_ = false;
  std::optional<KeyColumns> key_channel_;  // several columns of the key, as the channel
  std::vector<int> history_;
  std::vector<std::pair<int, int>> passed_;  // the first and last of columns that follow each other
  std::string row_;
  std::uint32_t clicks_ = 0;
  ReadClick click_;
};

}  // namespace mal
