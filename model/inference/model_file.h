// Writing the file that mal_infer.h loads: safetensors with checksums (source/container.h says how they lie).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace mal {

// A tensor whose bytes are made when they are written, so that a table is never in memory twice.
struct FileTensor {
  using Sink = std::function<void(const void* data, std::size_t bytes)>;
  std::string name;
  std::string type;  // "F32", "BF16", "I8", "U8", "I32", "U64"
  std::vector<std::uint64_t> shape;
  std::function<void(const Sink&)> write;
  std::uint64_t bytes() const;
};

using FileMetadata = std::map<std::string, std::string>;

// Written to a temporary file, synced and renamed. Adds the format version and the checksums. Throws Error.
void write_model_file(const std::string& path, const FileMetadata& metadata, std::vector<FileTensor> tensors);

// The same file with other tensors in place of those named with `prefix`, and other metadata beside its own. The file
// is checked as the header checks it. Error if it is no model file.
void rewrite_model_file(const std::string& path, const std::string& out, const std::string& prefix,
                        const FileMetadata& metadata, const std::vector<FileTensor>& tensors);

}  // namespace mal
