// libFuzzer target: any bytes as a YAML schema. What is accepted must survive being written and read again. Built by
// scripts/fuzz.sh with clang.
#include <cstdlib>
#include <string>

#include "engine/error.h"
#include "train/data/schema_yaml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::string written;
  try {
    written = mal::write_schema(mal::parse_schema(text, "schema.yaml"));
  } catch (const mal::Error&) {
    return 0;
  }
  if (mal::write_schema(mal::parse_schema(written, "written.yaml")) != written) std::abort();
  return 0;
}
