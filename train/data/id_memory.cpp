#include "train/data/id_memory.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/file.h"

namespace mal {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 36;

constexpr const char *kDatasets = "data sets", *kSeconds = "seconds";
constexpr std::int64_t kMost = std::int64_t{1} << 62;  // of what is added up

RememberedId later(const RememberedId& id, const Vocabulary& counted, std::int64_t clock) {
  const std::int64_t now = counted.seen(id.value);
  return {id.value, id.seen + now, now > 0 ? clock : id.last};
}

// Both are times of any year: their distance may not be a signed number.
bool is_over(std::int64_t last, std::int64_t now, std::int64_t limit) {
  return static_cast<std::uint64_t>(now) - static_cast<std::uint64_t>(last) >= static_cast<std::uint64_t>(limit);
}

void write_list(OutputFile& file, const std::string& path, const std::vector<RememberedId>& ids) {
  for (std::size_t i = 0; i < ids.size(); ++i)
    file.write(
        fmt::format("{}\n[{}, {}, {}]", i == 0 ? "" : ",", json_text(ids[i].value, path), ids[i].seen, ids[i].last));
}

struct NotOurs {};

std::int64_t integer(const Json& json) {  // get() would round, and take what is too large for a negative number
  constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<std::uint64_t>() > kLargest)) throw NotOurs();
  return json.get<std::int64_t>();
}

// absences: an earlier version wrote how many data sets in a row had not had the id.
std::vector<RememberedId> read_list(const Json& list, bool absences) {
  std::vector<RememberedId> ids;
  if (!list.is_array()) throw NotOurs();
  for (const Json& id : list) {
    if (id.size() != 3) throw NotOurs();
    ids.push_back({id.at(0).get<std::string>(), integer(id.at(1)), integer(id.at(2))});
    if (absences) ids.back().last = -std::clamp(ids.back().last, std::int64_t{0}, kMost);
  }
  return ids;
}

bool is_possible(const IdMemory& memory) {
  Vocabulary all;
  for (const std::vector<RememberedId>* ids : {&memory.rows, &memory.waiting})
    for (const RememberedId& id : *ids)
      if (id.seen < 0 || id.seen > kMost || id.last > memory.now || !all.add(id.value)) return false;
  return memory.by_time || (memory.now >= 0 && memory.now <= kMost);
}

}  // namespace

IdMemory renumber(Vocabulary& counted, const IdMemory& base, const TableSpec& table, std::int64_t last_time) {
  const bool remembers = !base.rows.empty() || !base.waiting.empty();
  if (table.evict_by_time && remembers && last_time < base.now)
    fail("table '{}': the training rows end at time {}, before those of the base ({}); `evict: {}s` needs later data",
         table.name, last_time, base.now, table.evict);
  IdMemory memory;
  set_clock(memory, table.evict_by_time, table.evict_by_time ? last_time : base.now + 1);
  Vocabulary next;
  for (const RememberedId& id : base.rows) {
    RememberedId now = later(id, counted, memory.now);
    if (is_over(now.last, memory.now, table.evict)) continue;
    next.add(id.value);
    memory.rows.push_back(std::move(now));
  }
  const auto kept = static_cast<std::int32_t>(memory.rows.size());
  std::vector<RememberedId> candidates;
  const auto add = [&](RememberedId id) {
    next.count(id.value, id.seen);
    candidates.push_back(std::move(id));
  };
  for (const RememberedId& id : base.waiting)
    if (RememberedId now = later(id, counted, memory.now); !is_over(now.last, memory.now, table.evict))
      add(std::move(now));
  counted.for_each_count([&](std::string_view value, std::int64_t seen) {
    if (seen > 0 && next.find(value) == 0 && next.seen(value) == 0) add({std::string(value), seen, memory.now});
  });
  next.assign(table.min_count);
  memory.rows.resize(static_cast<std::size_t>(next.rows() - 1));
  for (RememberedId& id : candidates) {
    const std::int32_t row = next.find(id.value);
    if (row > kept)
      memory.rows[static_cast<std::size_t>(row - 1)] = std::move(id);
    else
      memory.waiting.push_back(std::move(id));
  }
  std::ranges::sort(memory.waiting, {}, &RememberedId::value);
  counted = std::move(next);
  return memory;
}

IdMemory memory_of(const Vocabulary& vocabulary) {
  IdMemory memory;
  memory.rows.resize(static_cast<std::size_t>(vocabulary.rows() - 1));
  vocabulary.for_each([&](std::string_view value, std::int32_t number) {
    memory.rows[static_cast<std::size_t>(number - 1)].value = std::string(value);
  });
  return memory;
}

void set_clock(IdMemory& memory, bool by_time, std::int64_t now) {
  memory.by_time = by_time;
  memory.now = now;
  for (std::vector<RememberedId>* ids : {&memory.rows, &memory.waiting})
    for (RememberedId& id : *ids) id.last = now;
}

void write_memory(const std::string& path, const IdMemory& memory) {
  OutputFile file(path);
  file.write(
      fmt::format("{{\"clock\": \"{}\", \"now\": {},\n\"rows\": [", memory.by_time ? kSeconds : kDatasets, memory.now));
  write_list(file, path, memory.rows);
  file.write("],\n\"waiting\": [");
  write_list(file, path, memory.waiting);
  file.write("]}\n");
  file.commit();
}

IdMemory read_memory(const std::string& path) {
  const Json json = Json::parse(read_file(path, kMaxBytes), nullptr, false);
  IdMemory memory;
  bool ours = false;
  try {
    const bool absences = !json.contains("clock");
    const std::string clock = absences ? kDatasets : json.at("clock").get<std::string>();
    memory.by_time = clock == kSeconds;
    if (!absences) memory.now = integer(json.at("now"));
    memory.rows = read_list(json.at("rows"), absences);
    memory.waiting = read_list(json.at("waiting"), absences);
    ours = (memory.by_time || clock == kDatasets) && is_possible(memory);
  } catch (const Json::exception&) {
    ours = false;
  } catch (const NotOurs&) {
    ours = false;
  }
  if (!ours) fail("{}: it is not what prepare writes; prepare this data set again", path);
  return memory;
}

}  // namespace mal
