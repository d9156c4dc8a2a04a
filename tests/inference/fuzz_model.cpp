// libFuzzer target: any bytes as a model file, then a prediction. Checksums would stop nearly every mutation at the
// door, so the input is signed first, as an attacker would. And mutations know the layout: a header that grows keeps
// its length, numbers of it become others that are wrong by one or by far. Built by scripts/fuzz.sh with clang.
#include <cstring>

#include "model/inference/mal_infer.h"

namespace {

namespace format = mal::infer::detail;

// Puts right checksums into the header, where the input has a header at all.
void sign(std::string& file) {
  if (file.size() < 8) return;
  const auto length = format::load_as<std::uint64_t>(file.data());
  if (length > file.size() - 8) return;
  const auto head = 8 + static_cast<std::size_t>(length);
  const auto put = [&](const char* key, std::uint32_t crc) {
    const std::string mark = std::string("\"") + key + "\":\"";
    const std::size_t found = file.find(mark);
    if (found != std::string::npos && found + mark.size() + 8 <= head)
      file.replace(found + mark.size(), 8, format::hex8(crc));
  };
  // The blocks' checksums are the last bytes: as many as the data needs.
  const std::size_t data = file.size() - head;
  for (std::size_t blocks = 0; blocks * 4 <= data; ++blocks) {
    const std::size_t covered = data - blocks * 4;
    if ((covered + format::kCrcBlock - 1) / format::kCrcBlock != blocks) continue;
    for (std::size_t b = 0; b < blocks; ++b) {
      const std::size_t at = b * format::kCrcBlock;
      const std::uint32_t crc = format::crc32c(file.data() + head + at, std::min(format::kCrcBlock, covered - at));
      std::memcpy(file.data() + head + covered + 4 * b, &crc, sizeof(crc));
    }
    put(format::kBlocksCrcKey, format::crc32c(file.data() + head + covered, blocks * 4));
    break;
  }
  const std::string mark = format::header_crc_mark();
  const std::size_t found = file.find(mark);
  if (found == std::string::npos || found + mark.size() + 8 > head) return;
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  put(format::kHeaderCrcKey, format::header_crc(bytes, head, found + mark.size()));
}

void predict(const mal::infer::Model& model) {
  auto scorer = model.try_scorer();
  auto user = model.try_features(), ad = model.try_features();
  if (!scorer || !user || !ad) return;
  bool user_column = false;
  for (const mal::infer::ColumnInfo& info : model.columns()) {
    user_column = !user_column;  // every other one
    const char* text = info.kind == mal::infer::Kind::scores   ? "0.5|-1|1"
                       : info.kind == mal::infer::Kind::number ? "1.5"
                                                               : "item_1|user_2";
    const mal::infer::Status status = (user_column ? user : ad)->try_set(info.name, std::string_view(text));
    if (!status.ok()) return;
  }
  std::vector<float> views(3 * model.views().size()), knowledge(3 * model.knowledge_width());
  float p[3] = {};
  mal::infer::Predictions out;
  out.probability = p;
  out.views = views.data();
  out.knowledge = knowledge.data();
  const mal::infer::Features* ads[3] = {&*ad, &*ad, &*ad};
  if (scorer->try_set_user(*user).ok()) static_cast<void>(scorer->try_predict(ads, 3, out).ok());
}

// The header with one number replaced.
void change_number(std::string& header, unsigned seed) {
  std::vector<std::pair<std::size_t, std::size_t>> numbers;  // begin, size
  for (std::size_t at = 0; at < header.size();) {
    const std::size_t begin = header.find_first_of("0123456789", at);
    if (begin == std::string::npos) break;
    at = std::min(header.size(), header.find_first_not_of("0123456789", begin));
    numbers.emplace_back(begin, at - begin);
  }
  if (numbers.empty()) return;
  const auto [begin, size] = numbers[seed / 8 % numbers.size()];
  const unsigned long long old = std::strtoull(header.substr(begin, size).c_str(), nullptr, 10);
  const unsigned long long choices[] = {old + 1,    old - 1,    0,     1,         2 * old,
                                        1ULL << 31, 1ULL << 32, ~0ULL, ~0ULL / 4, 65536};
  header.replace(begin, size, std::to_string(choices[seed / 65536 % std::size(choices)]));
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  std::uint64_t length = 0;
  if (size >= 8) std::memcpy(&length, data, sizeof(length));
  if (seed % 8 == 0 || size < 16 || length > size - 8) return LLVMFuzzerMutate(data, size, most);
  const auto head = 8 + static_cast<std::size_t>(length);
  if (seed % 8 == 1) return head + LLVMFuzzerMutate(data + head, size - head, size - head);  // weights, keys
  std::string header(data + 8, data + head);
  const std::string tensors(data + head, data + size);
  header.erase(header.find_last_not_of(' ') + 1);
  if (seed % 8 < 5) {
    change_number(header, seed);
  } else {
    std::vector<std::uint8_t> room(header.begin(), header.end());
    room.resize(header.size() + 64);
    room.resize(LLVMFuzzerMutate(room.data(), header.size(), room.size()));
    header.assign(room.begin(), room.end());
  }
  while ((header.size() + 8) % 64 != 0) header += ' ';
  length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof(length));
  file += header + tensors;
  if (file.size() > most) return LLVMFuzzerMutate(data, size, most);
  std::memcpy(data, file.data(), file.size());
  return file.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  sign(file);
  auto model = mal::infer::Model::try_load_memory(file.data(), file.size());
  if (model) predict(*model);
  return 0;
}
