#include "train/data/id_memory.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/file.h"

namespace mal {

namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 36;

RememberedId later(const RememberedId& id, const Vocabulary& counted) {
  const std::int64_t now = counted.seen(id.value);
  return {id.value, id.seen + now, now > 0 ? 0 : id.absent + 1};
}

void write_list(OutputFile& file, const std::string& path, const std::vector<RememberedId>& ids) {
  for (std::size_t i = 0; i < ids.size(); ++i)
    file.write(
        fmt::format("{}\n[{}, {}, {}]", i == 0 ? "" : ",", json_text(ids[i].value, path), ids[i].seen, ids[i].absent));
}

std::vector<RememberedId> read_list(const Json& list) {
  std::vector<RememberedId> ids;
  for (const Json& id : list)
    ids.push_back({id.at(0).get<std::string>(), id.at(1).get<std::int64_t>(), id.at(2).get<std::int64_t>()});
  return ids;
}

}  // namespace

IdMemory renumber(Vocabulary& counted, const IdMemory& base, const TableSpec& table) {
  IdMemory memory;
  Vocabulary next;
  for (const RememberedId& id : base.rows) {
    RememberedId now = later(id, counted);
    if (now.absent >= table.evict) continue;
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
    if (RememberedId now = later(id, counted); now.absent < table.evict) add(std::move(now));
  counted.for_each_count([&](std::string_view value, std::int64_t seen) {
    if (seen > 0 && next.find(value) == 0 && next.seen(value) == 0) add({std::string(value), seen, 0});
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

void write_memory(const std::string& path, const IdMemory& memory) {
  OutputFile file(path);
  file.write("{\"rows\": [");
  write_list(file, path, memory.rows);
  file.write("],\n\"waiting\": [");
  write_list(file, path, memory.waiting);
  file.write("]}\n");
  file.commit();
}

IdMemory read_memory(const std::string& path) {
  const Json json = Json::parse(read_file(path, kMaxBytes), nullptr, false);
  try {
    return {read_list(json.at("rows")), read_list(json.at("waiting"))};
  } catch (const Json::exception&) {
    fail("{}: it is not what prepare writes; prepare this data set again", path);
  }
}

}  // namespace mal
