// libFuzzer target: any bytes as a model file, then a prediction. Checksums would stop nearly every mutation at the
// door, so the input is signed first, as an attacker would. Built by scripts/fuzz.sh with clang.
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  sign(file);
  auto model = mal::infer::Model::try_load_memory(file.data(), file.size());
  if (model) predict(*model);
  return 0;
}
