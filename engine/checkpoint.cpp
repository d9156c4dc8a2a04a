#include "engine/checkpoint.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/file.h"

namespace mal {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxHeader = 1 << 20;
constexpr const char* kMetadataKey = "__metadata__";
constexpr const char* kChecksumKey = "xxh3";
constexpr const char* kVersionKey = "mal_weights";
constexpr const char* kVersion = "2";
constexpr const char* kContentsKey = "contents";

const char* name_of(Contents contents) {
  return contents == Contents::weights ? "weights" : "training";
}

// A tensor seen as `rows` pieces of `width` floats, `stride` floats apart.
struct Entry {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t rows, width, stride;
  Buffer* buffer;
  bool table = false;
  std::int64_t file_rows = rows;
  const std::vector<std::int32_t>* moved = nullptr;  // TableRows::moved of a table

  // Every row's floats, where the host can read them.
  template <typename Body>
  void for_each_row(const Body& body) const {
    buffer->read(static_cast<std::size_t>(stride) * sizeof(float),
                 [&](std::int64_t, std::int64_t count, const std::byte* data) {
                   for (std::int64_t r = 0; r < count; ++r) body(reinterpret_cast<const float*>(data) + r * stride);
                 });
  }
  std::size_t row_bytes() const { return static_cast<std::size_t>(width) * sizeof(float); }
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(file_rows) * row_bytes(); }
  // Of row r of the buffer; a negative one is not there.
  std::int64_t file_row(std::int64_t r) const {
    const std::int64_t row = moved == nullptr ? r : (*moved)[static_cast<std::size_t>(r)];
    return row < file_rows ? row : -1;
  }
};

std::vector<Entry> entries_of(const Parameters& parameters, Contents contents) {
  const bool training = contents == Contents::training;
  // Both directions share this list; saving never writes through the pointers.
  auto& writable = const_cast<Parameters&>(parameters);
  std::vector<Entry> entries;
  const auto add = [&](const std::string& name, Tensor& tensor) {
    if (tensor.size() > 0) entries.push_back({name, tensor.shape(), 1, tensor.size(), tensor.size(), &tensor.buffer()});
  };
  for (Parameter& parameter : writable.all_dense()) {
    add(parameter.name, parameter.value);
    if (!training) continue;
    add("state1:" + parameter.name, parameter.state1);
    add("state2:" + parameter.name, parameter.state2);
  }
  for (State& state : writable.all_states()) add(state.name, state.value);
  for (EmbeddingTable& table : writable.all_tables()) {
    const std::int64_t width = table.width() + (training ? table.state_width() : 0);
    entries.push_back(
        {table.name(), {table.rows(), width}, table.rows(), width, table.row_stride(), &table.buffer(), true});
  }
  return entries;
}

struct HashFree {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

// Of the header, which has no checksum yet, and the data: add(bytes, count) for all of them in the order of the
// entries.
template <typename Data>
std::string checksum(Json header, const Data& data) {
  header[kMetadataKey][kChecksumKey] = "";
  const std::string text = header.dump();
  const std::unique_ptr<XXH3_state_t, HashFree> state(XXH3_createState());
  XXH3_64bits_reset(state.get());
  const auto add = [&](const void* bytes, std::size_t count) { XXH3_64bits_update(state.get(), bytes, count); };
  add(text.data(), text.size());
  data(add);
  return fmt::format("{:016x}", XXH3_64bits_digest(state.get()));
}

std::string padded(std::string text) {  // data begins aligned
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

std::string make_header(const std::vector<Entry>& entries, const Metadata& metadata, Contents contents) {
  Json header;
  Json& extra = header[kMetadataKey];
  for (const auto& [key, value] : metadata) extra[key] = value;
  extra[kVersionKey] = kVersion;
  extra[kContentsKey] = name_of(contents);
  extra[kChecksumKey] = "";
  std::uint64_t offset = 0;
  for (const Entry& entry : entries) {
    header[entry.name] = {{"dtype", "F32"}, {"shape", entry.shape}, {"data_offsets", {offset, offset + entry.bytes()}}};
    offset += entry.bytes();
  }
  header[kMetadataKey][kChecksumKey] = checksum(header, [&](const auto& add) {
    for (const Entry& entry : entries) entry.for_each_row([&](const float* row) { add(row, entry.row_bytes()); });
  });
  return padded(header.dump());
}

struct View {
  const std::byte* data;
  std::uint64_t data_bytes;
  Json header;
};

View parse(const std::string& path, const MappedFile& file) {
  std::uint64_t length = 0;
  if (file.size() < sizeof(length))
    fail("{}: too short for a weights file ({} bytes); copy it again, or train again", path, file.size());
  std::memcpy(&length, file.data(), sizeof(length));
  if (length > kMaxHeader || length > file.size() - sizeof(length))
    fail("{}: its header claims {} bytes; the file is damaged or not a safetensors file; copy it again, or train again",
         path, length);
  const char* text = reinterpret_cast<const char*>(file.data()) + sizeof(length);
  Json header = Json::parse(text, text + length, nullptr, false);
  if (!header.is_object())
    fail("{}: its header is not a JSON object; the file is damaged, copy it again, or train again", path);
  // Only one text of the header is ours, so that every changed bit is noticed.
  if (padded(header.dump(-1, ' ', false, Json::error_handler_t::replace)) != std::string_view(text, length))
    fail("{}: its header was changed; copy the file again, or train again", path);
  const std::uint64_t begin = sizeof(length) + length;
  return {file.data() + begin, file.size() - begin, std::move(header)};
}

Metadata metadata_of(const std::string& path, const Json& header, Contents contents) {
  const auto found = header.find(kMetadataKey);
  if (found == header.end() || !found->is_object()) fail("{}: it has no metadata; it was not written by MAL", path);
  Metadata metadata;
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) fail("{}: metadata '{}' is not text", path, key);
    metadata[key] = value.get<std::string>();
  }
  if (metadata[kVersionKey] != kVersion)
    fail("{}: weights format '{}' is not known to this version (it reads format {})", path, metadata[kVersionKey],
         kVersion);
  if (metadata[kContentsKey] != name_of(contents))
    fail("{}: it holds '{}', not '{}'", path, metadata[kContentsKey], name_of(contents));
  return metadata;
}

// The rows that the file has of a table, where they may be others; find_tensor sees to whatever else is there.
void fit_rows(const View& view, const std::string& path, const TableRows& rows, Entry& entry) {
  const auto moved = rows.moved.find(entry.name);
  if (moved != rows.moved.end()) {
    if (static_cast<std::int64_t>(moved->second.size()) != entry.rows)
      fail("{}: {} has {} rows, and {} ids are to find theirs; its vocabulary is another, prepare the data set again",
           path, entry.name, entry.rows, moved->second.size());
    entry.moved = &moved->second;
  }
  if (!entry.table || (entry.moved == nullptr && !rows.grown)) return;
  const auto found = view.header.find(entry.name);
  if (found == view.header.end() || !found->is_object()) return;
  const Json shape = found->value("shape", Json());
  if (!shape.is_array() || shape.size() != 2 || !shape[0].is_number_unsigned()) return;
  const auto count = shape[0].get<std::uint64_t>();
  const std::int64_t most = entry.moved != nullptr ? std::numeric_limits<std::int32_t>::max() : entry.rows;
  if (count >= 1 && count <= static_cast<std::uint64_t>(most))
    entry.file_rows = entry.shape[0] = static_cast<std::int64_t>(count);
}

// A member of a tensor's description, for messages.
std::string text_of(const Json& item, const char* key) {
  const Json member = item.is_object() ? item.value(key, Json()) : Json();
  const std::string text = member.is_string() ? member.get<std::string>() : member.dump();
  return text.size() <= 40 ? text : "something else";
}

// The bytes of one tensor after checking its description against what the model expects and what the file holds.
const std::byte* find_tensor(const std::string& path, const View& view, const Entry& entry) {
  const auto found = view.header.find(entry.name);
  if (found == view.header.end()) fail("{}: tensor {} is missing; was another model trained here?", path, entry.name);
  const Json& item = *found;
  const Json expected_shape = entry.shape;
  if (!item.is_object() || item.value("dtype", Json()) != "F32" || item.value("shape", Json()) != expected_shape)
    fail("{}: tensor {} is not F32 {} but {} {}; was another model or dataset used?", path, entry.name,
         expected_shape.dump(), text_of(item, "dtype"), text_of(item, "shape"));
  const Json offsets = item.value("data_offsets", Json());
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned())
    fail("{}: tensor {} has no valid data_offsets; the file is damaged", path, entry.name);
  const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
  if (begin > end || end > view.data_bytes || end - begin != entry.bytes())
    fail("{}: tensor {} lies outside the file; the file is damaged or cut short; copy it again, or train again", path,
         entry.name);
  return view.data + begin;
}

}  // namespace

void save_weights(const std::string& path, const Parameters& parameters, const Metadata& metadata, Contents contents) {
  const std::vector<Entry> entries = entries_of(parameters, contents);
  const std::string header = make_header(entries, metadata, contents);
  const std::uint64_t length = header.size();
  if (length > kMaxHeader) fail("{}: the header would have {} bytes; shorten the names of columns", path, length);
  OutputFile file(path);
  file.write(&length, sizeof(length));
  file.write(header);
  for (const Entry& entry : entries) entry.for_each_row([&](const float* row) { file.write(row, entry.row_bytes()); });
  file.commit();
}

Metadata read_metadata(const std::string& path, Contents contents) {
  const MappedFile file(path);
  return metadata_of(path, parse(path, file).header, contents);
}

Metadata load_weights(const std::string& path, Parameters& parameters, Contents contents, const TableRows& rows) {
  const MappedFile file(path);
  const View view = parse(path, file);
  Metadata metadata = metadata_of(path, view.header, contents);
  std::vector<Entry> entries = entries_of(parameters, contents);
  if (view.header.size() != entries.size() + 1)
    fail("{}: it holds {} tensors, the model has {}", path, view.header.size() - 1, entries.size());
  std::uint64_t bytes = 0;
  std::vector<const std::byte*> sources;
  for (Entry& entry : entries) {
    fit_rows(view, path, rows, entry);
    sources.push_back(find_tensor(path, view, entry));
    bytes += entry.bytes();
  }
  if (bytes != view.data_bytes)
    fail("{}: it has {} bytes of data, its tensors {}; the file is damaged, copy it again, or train again", path,
         view.data_bytes, bytes);
  const std::string found = checksum(view.header, [&](const auto& add) {
    for (std::size_t e = 0; e < entries.size(); ++e) add(sources[e], entries[e].bytes());
  });
  if (metadata[kChecksumKey] != found)
    fail("{}: the checksum of its data is wrong; the file is damaged, copy it again, or train again", path);
  for (std::size_t e = 0; e < entries.size(); ++e) {
    const Entry& entry = entries[e];
    const std::size_t stride = static_cast<std::size_t>(entry.stride) * sizeof(float);
    entry.buffer->edit(stride, [&](std::int64_t first, std::int64_t count, std::byte* data) {
      for (std::int64_t r = 0; r < count; ++r)
        if (const std::int64_t row = entry.file_row(first + r); row >= 0)
          std::memcpy(data + static_cast<std::size_t>(r) * stride,
                      sources[e] + static_cast<std::size_t>(row) * entry.row_bytes(), entry.row_bytes());
    });
  }
  return metadata;
}

}  // namespace mal
