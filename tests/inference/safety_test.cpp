// The loader trusts nothing: any changed bit, any cut, and any signed nonsense is refused with a message.
#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/inference/exported_model.h"

namespace {

using namespace mal;
using infer::Code;
using infer::Model;
using test::ExportedModel;
using test::small_config;
using Json = nlohmann::ordered_json;
namespace format = infer::detail;

// As few tensors and bytes as a model can have, so that every bit of it can be tried.
const std::string& small_file() {
  static const std::string kBytes = [] {
    ModelConfig config = small_config("base");
    config.embedding_dim = 2;
    config.interaction.din_hidden = 2;
    config.simtier.tiers = 2;
    config.bottom = {2};
    config.tower = {2};
    return ExportedModel(config, {}, 2).bytes();
  }();
  return kBytes;
}

const std::string& mal_file() {
  static const std::string kBytes = ExportedModel(small_config("mal"), {}, 2).bytes();
  return kBytes;
}

infer::Status load(const std::string& bytes) {
  return Model::try_load_memory(bytes.data(), bytes.size()).status();
}

std::string read_header(const std::string& file) {
  return file.substr(8, format::load_as<std::uint64_t>(file.data()));
}

// The file with another header and data, signed as an attacker would sign it.
std::string sign(Json header, std::string data) {
  const std::uint64_t sums_bytes = (data.size() + format::kCrcBlock - 1) / format::kCrcBlock * 4;
  std::string sums;
  for (std::size_t at = 0; at < data.size(); at += format::kCrcBlock) {
    const std::uint32_t crc = format::crc32c(data.data() + at, std::min(format::kCrcBlock, data.size() - at));
    sums.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  }
  if (header.contains(format::kChecksums))
    header[format::kChecksums] = {
        {"dtype", "U32"}, {"shape", {sums_bytes / 4}}, {"data_offsets", {data.size(), data.size() + sums_bytes}}};
  header["__metadata__"][format::kBlocksCrcKey] = format::hex8(format::crc32c(sums.data(), sums.size()));
  header["__metadata__"][format::kHeaderCrcKey] = "00000000";
  std::string text = header.dump();
  while ((text.size() + 8) % 64 != 0) text += ' ';
  const std::uint64_t length = text.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof(length));
  file += text;
  const std::size_t digits = file.find(format::header_crc_mark()) + format::header_crc_mark().size();
  const std::string crc =
      format::hex8(format::header_crc(reinterpret_cast<const unsigned char*>(file.data()), file.size(), digits));
  return file.replace(digits, crc.size(), crc) + data + sums;
}

struct Parts {
  Json header;
  std::string data;  // without the checksums
};

Parts take_apart(const std::string& file) {
  const std::string text = read_header(file);
  Parts parts{Json::parse(text), file.substr(8 + text.size())};
  parts.data.resize(parts.header[format::kChecksums]["data_offsets"][0].get<std::size_t>());
  return parts;
}

infer::Status load_changed(const std::string& file, const std::function<void(Parts&)>& change) {
  Parts parts = take_apart(file);
  change(parts);
  return load(sign(parts.header, parts.data));
}

// Changes the JSON within a metadata value.
std::function<void(Parts&)> change_metadata(const std::string& key, const std::function<void(Json&)>& change) {
  return [=](Parts& parts) {
    Json& text = parts.header["__metadata__"][key];
    Json json = Json::parse(text.get<std::string>());
    change(json);
    text = json.dump();
  };
}

void overwrite(Parts& parts, const std::string& tensor, std::size_t at, const void* bytes, std::size_t count) {
  parts.data.replace(parts.header[tensor]["data_offsets"][0].get<std::size_t>() + at, count,
                     static_cast<const char*>(bytes), count);
}

TEST_CASE("every flipped bit of a model file is refused") {
  std::string file = small_file();
  REQUIRE(load(file).ok());
  for (char& byte : file)
    for (int bit = 0; bit < 8; ++bit) {
      byte = static_cast<char>(byte ^ (1 << bit));
      const infer::Status status = load(file);
      if (status.ok()) FAIL("bit " << bit << " of byte " << (&byte - file.data()) << " was not noticed");
      if (status.message().empty()) FAIL("no message");
      byte = static_cast<char>(byte ^ (1 << bit));
    }
}

TEST_CASE("every truncation of a model file is refused, and bytes behind it") {
  const std::string& file = small_file();
  for (std::size_t n = 0; n < file.size(); ++n)
    if (load(file.substr(0, n)).ok()) FAIL("cut after " << n << " bytes");
  CHECK(!load(file + '\0').ok());
  CHECK(!load(file + file).ok());
}

TEST_CASE("swapped and zeroed blocks of a model file are refused") {
  const std::string& file = mal_file();
  constexpr std::size_t kBlock = 64;
  for (std::size_t at = 0; at + 2 * kBlock <= file.size(); at += kBlock) {
    std::string changed = file;
    std::swap_ranges(changed.begin() + static_cast<std::ptrdiff_t>(at),
                     changed.begin() + static_cast<std::ptrdiff_t>(at + kBlock),
                     changed.begin() + static_cast<std::ptrdiff_t>(at + kBlock));
    if (changed != file) CHECK(!load(changed).ok());
    changed = file;
    changed.replace(at, kBlock, kBlock, '\0');
    if (changed != file) CHECK(!load(changed).ok());
  }
}

TEST_CASE("a signed file loads, so the tests below test what they say") {
  for (const std::string& file : {small_file(), mal_file()}) {
    const infer::Status status = load_changed(file, [](Parts&) {});
    INFO(status.message());
    CHECK(status.ok());
  }
}

struct Damage {
  const char* name;
  Code code;
  std::string message;  // a part of it
  std::function<void(Parts&)> change;
};

std::function<void(Parts&)> offsets(const std::string& tensor, std::uint64_t begin, std::uint64_t end) {
  return [=](Parts& parts) { parts.header[tensor]["data_offsets"] = {begin, end}; };
}
std::function<void(Parts&)> put(const std::string& tensor, const char* key, const Json& value) {
  return [=](Parts& parts) { parts.header[tensor][key] = value; };
}
std::function<void(Parts&)> weight(const std::string& tensor, std::size_t index, float value) {
  return [=](Parts& parts) { overwrite(parts, tensor, index * sizeof(float), &value, sizeof(value)); };
}

const std::string kLayer = "aka/bottom/0/weight";
constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;

std::vector<Damage> container_damages() {
  return {
      {"offset beyond the file", Code::damaged, "outside", offsets(kLayer, 0, kHuge)},
      {"offsets the wrong way round", Code::damaged, "outside", offsets(kLayer, 64, 0)},
      {"offsets that overlap", Code::damaged, "",
       [](Parts& p) {
         p.header["aka/last/0/weight"]["data_offsets"] = p.header["aka/first/0/weight"]["data_offsets"];
       }},
      {"a shape of another size", Code::damaged, "outside", put(kLayer, "shape", {1, 1})},
      {"a shape whose product overflows", Code::damaged, "shape", put(kLayer, "shape", {kHuge, 4})},
      {"a shape whose bytes overflow", Code::damaged, "shape", put(kLayer, "shape", {kHuge})},
      {"a negative dimension", Code::damaged, "shape", put(kLayer, "shape", {-1, 8})},
      {"nine dimensions", Code::damaged, "dimensions", put(kLayer, "shape", {1, 1, 1, 1, 1, 1, 1, 1, 1})},
      {"a shape that is text", Code::damaged, "not described", put(kLayer, "shape", "8")},
      {"an unknown type", Code::damaged, "unknown type", put(kLayer, "dtype", "F64")},
      {"a key that no tensor has", Code::damaged, "not described", put(kLayer, "extra", 1)},
      {"a name of 256 bytes", Code::damaged, "name",
       [](Parts& p) { p.header[std::string(256, 'n')] = p.header[kLayer]; }},
      {"no checksums", Code::damaged, "", [](Parts& p) { p.header.erase(format::kChecksums); }},
      {"metadata that is a number", Code::damaged, "text", [](Parts& p) { p.header["__metadata__"]["run"] = 1; }},
      {"a newer format", Code::unsupported, "format '2'",
       [](Parts& p) { p.header["__metadata__"][format::kFormatKey] = "2"; }},
  };
}

std::vector<Damage> model_damages() {
  const auto schema = [](const std::function<void(Json&)>& change) { return change_metadata("schema", change); };
  const auto model = [](const std::function<void(Json&)>& change) { return change_metadata("model", change); };
  const auto column = [&](const char* key, const Json& value) {
    return schema([=](Json& j) { j["columns"][0][key] = value; });
  };
  return {
      {"an unknown kind of column", Code::unsupported, "not known", column("kind", "image")},
      {"an unknown side", Code::unsupported, "not known", column("side", "nobody")},
      {"a table that is not there", Code::bad_model, "no table", column("table", "none")},
      {"a column twice", Code::bad_model, "twice",
       schema([](Json& j) { j["columns"][1]["name"] = j["columns"][0]["name"]; })},
      {"a table with a negative number of rows", Code::bad_model, "",
       schema([](Json& j) { j["tables"][0]["rows"] = -4; })},
      {"a table with more rows than its tensor", Code::bad_model, "shape",
       schema([](Json& j) { j["tables"][0]["rows"] = 6; })},
      {"a hash that is no power of two", Code::bad_model, "power", schema([](Json& j) { j["tables"][0]["hash"] = 5; })},
      {"a sequence of absurd length", Code::bad_model, "range",
       schema([](Json& j) { j["columns"][3]["length"] = 1u << 31; })},
      {"a sequence of no length", Code::bad_model, "range", schema([](Json& j) { j["columns"][3]["length"] = 0; })},
      {"two thousand long sequences", Code::bad_model, "absurdly", schema([](Json& j) {
         const Json one = j["columns"][3];
         for (int i = 0; i < 2000; ++i) {
           j["columns"].push_back(one);
           j["columns"].back()["name"] = "s" + std::to_string(i);
           j["columns"].back()["length"] = 4096;
         }
       })},
      {"a deviation of zero", Code::bad_model, "range", schema([](Json& j) { j["columns"][5]["deviation"] = 0; })},
      {"an unknown key of the schema", Code::unsupported, "newer", column("twist", 1)},
      {"no views", Code::bad_model, "", schema([](Json& j) { j["views"] = Json::array(); })},
      {"an unknown model type", Code::unsupported, "not known", model([](Json& j) { j["type"] = "transformer"; })},
      {"an unknown key of the model", Code::unsupported, "newer", model([](Json& j) { j["residual"] = true; })},
      {"a missing key of the model", Code::bad_model, "missing", model([](Json& j) { j.erase("tower"); })},
      {"an unknown activation", Code::unsupported, "not known", model([](Json& j) { j["activation"] = "gelu"; })},
      {"a width of zero", Code::bad_model, "width", model([](Json& j) { j["tower"][0] = 0; })},
      {"a width of 2^40", Code::bad_model, "width", model([](Json& j) { j["tower"][0] = std::uint64_t{1} << 40; })},
      {"other widths than the weights'", Code::bad_model, "shape", model([](Json& j) { j["tower"][0] = 7; })},
      {"ten thousand layers", Code::bad_model, "layers",
       model([](Json& j) { j["tower"] = std::vector<int>(10000, 8); })},
      {"an embedding of 2^20 floats", Code::bad_model, "range", model([](Json& j) { j["embedding_dim"] = 1 << 20; })},
      {"a primary that is no view", Code::bad_model, "primary", model([](Json& j) { j["primary"] = "never"; })},
      {"views of mal that are not there", Code::bad_model, "view",
       model([](Json& j) { j["mal"]["views"] = {"never"}; })},
      {"knowledge that does not fit", Code::bad_model, "fit", model([](Json& j) { j["mal"]["knowledge"] = {3}; })},
      {"a list in place of a number", Code::bad_model, "kind", model([](Json& j) { j["embedding_dim"] = {4}; })},
      {"a schema that is no JSON", Code::damaged, "JSON", [](Parts& p) { p.header["__metadata__"]["schema"] = "{"; }},
      {"a schema nested too deep", Code::damaged, "deep",
       [](Parts& p) { p.header["__metadata__"]["schema"] = std::string(400, '['); }},
      {"a schema with a key twice", Code::damaged, "twice",
       [](Parts& p) { p.header["__metadata__"]["schema"] = R"({"name":"a","name":"b"})"; }},
      {"no model", Code::damaged, "no model", [](Parts& p) { p.header["__metadata__"].erase("model"); }},
      {"outputs of neither kind", Code::bad_model, "outputs",
       [](Parts& p) { p.header["__metadata__"]["outputs"] = "some"; }},
      {"a missing tensor", Code::bad_model, "",
       [](Parts& p) {
         p.header["other"] = p.header[kLayer];
         p.header.erase(kLayer);
       }},
      {"NaN in a layer", Code::bad_model, "NaN", weight(kLayer, 3, std::nanf(""))},
      {"infinity in a table", Code::bad_model, "infinity", weight("embedding/item", 5, INFINITY)},
      {"NaN in LayerNorm", Code::bad_model, "NaN", weight("input_norm/gamma", 0, std::nanf(""))},
      {"a vocabulary row beyond the table", Code::bad_model, "order",
       [](Parts& p) {
         const std::int32_t row = 7;
         overwrite(p, "vocabulary/item/rows", 0, &row, sizeof(row));
       }},
      {"a negative vocabulary row", Code::bad_model, "order",
       [](Parts& p) {
         const std::int32_t row = -1;
         overwrite(p, "vocabulary/item/rows", 4, &row, sizeof(row));
       }},
      {"a vocabulary out of order", Code::bad_model, "order",
       [](Parts& p) {
         const std::uint64_t key = ~std::uint64_t{0};
         overwrite(p, "vocabulary/item/keys", 0, &key, sizeof(key));
       }},
      {"a vocabulary text that ends before it begins", Code::bad_model, "order",
       [](Parts& p) {
         const std::uint64_t offset = std::uint64_t{1} << 50;
         overwrite(p, "vocabulary/item/offsets", 8, &offset, sizeof(offset));
       }},
      {"an unknown calibration", Code::unsupported, "calibration",
       [](Parts& p) { p.header["__metadata__"]["calibration"] = "spline"; }},
      {"a calibration without its curve", Code::bad_model, "",
       [](Parts& p) { p.header["__metadata__"]["calibration"] = "isotonic"; }},
  };
}

TEST_CASE("signed nonsense is refused, with a message that says what is wrong") {
  for (const auto& list : {container_damages(), model_damages()})
    for (const Damage& damage : list) {
      const infer::Status status = load_changed(mal_file(), damage.change);
      INFO(damage.name << ": " << status.message());
      CHECK(status.code() == damage.code);
      CHECK(status.message().find(damage.message) != std::string::npos);
    }
}

TEST_CASE("an unaligned tensor is refused") {
  Parts parts = take_apart(mal_file());
  std::string file = sign(parts.header, parts.data);
  // One space less in the header moves everything by a byte.
  std::string header = read_header(file);
  header.pop_back();
  const std::uint64_t length = header.size();
  std::string moved(reinterpret_cast<const char*>(&length), sizeof(length));
  moved += header;
  const std::size_t digits = moved.find(format::header_crc_mark()) + format::header_crc_mark().size();
  moved.replace(digits, 8, "00000000");
  const auto* bytes = reinterpret_cast<const unsigned char*>(moved.data());
  moved.replace(digits, 8, format::hex8(format::header_crc(bytes, moved.size(), digits)));
  moved += file.substr(8 + header.size() + 1);
  CHECK(load(moved).message().find("aligned") != std::string::npos);
}

TEST_CASE("what is no model file is refused") {
  CHECK(Model::try_load("no/such/file.mal").status().code() == Code::cannot_read);
  CHECK(Model::try_load("no/such/file.mal", Model::Access::map).status().code() == Code::cannot_read);
  CHECK(Model::try_load("/", Model::Access::map).status().code() == Code::cannot_read);
  CHECK(!Model::try_load("/").ok());
  for (const char* text : {"", "{}", "PK\3\4 a zip", "\x93NUMPY"}) CHECK(load(text).code() == Code::damaged);
  CHECK_THROWS_AS(Model::load("no/such/file.mal"), infer::Error);
  const ExportedModel exported(small_config("base"), {}, 2);
  CHECK(Model::try_load(exported.path, Model::Access::map).ok());
  CHECK(Model::load(exported.path).metadata("run") == "test");
}

}  // namespace
