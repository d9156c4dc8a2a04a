// zstd: frames one after the other, with or without the size of their content, a checksum, and frames of other data
// ("skippable") between them.
#include <zstd.h>
#include <zstd_errors.h>

#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "train/data/decompressor.h"

namespace mal {

namespace {

constexpr std::string_view kMagic = "\x28\xb5\x2f\xfd";
constexpr std::string_view kSkippable = "\x2a\x4d\x18";  // after a byte 0x50 … 0x5f

// A frame may ask for a window of up to 2 GiB, which is memory. 128 MiB is what the program zstd takes, too, unless it
// is told more (--long=31).
constexpr int kMostWindowLog = 27;

class Unzstd : public Decompressor {
 public:
  Unzstd(std::string path, std::size_t input_bytes, Input input)
      : path_(std::move(path)), input_(std::move(input)), buffer_(input_bytes), context_(ZSTD_createDCtx()) {
    if (context_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMostWindowLog);
  }
  std::size_t read(char* out, std::size_t bytes, std::int64_t line) override;

 private:
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  bool fill(std::int64_t line);
  // libzstd looks at the first four bytes together, and waits for them where there are fewer.
  bool may_begin_frame() const {
    const char next = buffer_[in_.pos];
    return next == kMagic[0] || (next & '\xf0') == '\x50';
  }
  [[noreturn]] void fail_tail(std::int64_t line) const {
    fail("{}:{}: bytes that are not zstd follow the zstd data; get the file again", path_, line);
  }
  [[noreturn]] void fail_data(std::size_t code, std::int64_t line) const;

  std::string path_;
  Input input_;
  std::vector<char> buffer_;
  std::unique_ptr<ZSTD_DCtx, Free> context_;
  ZSTD_inBuffer in_ = {nullptr, 0, 0};
  bool inside_ = false;  // of a frame; false: the next byte begins one
  bool held_ = false;    // the context may hold bytes that did not fit into the last output
};

// False at the end of the file.
bool Unzstd::fill(std::int64_t line) {
  in_ = {buffer_.data(), input_(buffer_.data(), buffer_.size()), 0};
  if (in_.size > 0) return true;
  if (inside_)
    fail("{}:{}: the zstd data is cut short here: the file ends within a frame; get the file again", path_, line);
  return false;
}

std::size_t Unzstd::read(char* out, std::size_t bytes, std::int64_t line) {
  ZSTD_outBuffer output = {out, bytes, 0};
  while (output.pos == 0) {
    if (in_.pos == in_.size && !held_ && !fill(line)) return 0;
    if (!inside_ && !may_begin_frame()) fail_tail(line);
    const std::size_t code = ZSTD_decompressStream(context_.get(), &output, &in_);
    if (ZSTD_isError(code) != 0) fail_data(code, line);
    inside_ = code != 0;
    held_ = inside_ && output.pos == output.size;
  }
  return output.pos;
}

void Unzstd::fail_data(std::size_t code, std::int64_t line) const {
  switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
      throw std::bad_alloc();
    case ZSTD_error_frameParameter_windowTooLarge:
      fail(
          "{0}:{1}: the zstd data needs a window of more than {2} MiB (zstd --long={3} or more wrote it); compress it "
          "again: zstd -dc --long=31 {0} | zstd -o smaller-window.zst",
          path_, line, 1 << (kMostWindowLog - 20), kMostWindowLog + 1);
    case ZSTD_error_dictionary_wrong:
      fail("{0}:{1}: the zstd data was compressed with a dictionary; unpack it: zstd -d -D DICTIONARY {0}", path_,
           line);
    case ZSTD_error_prefix_unknown:
      fail_tail(line);
    default:
      fail("{}:{}: the zstd data is damaged here ({}); get the file again", path_, line, ZSTD_getErrorName(code));
  }
}

}  // namespace

// Two bytes of the first magic number are no text, and so a file that was cut short.
bool begins_as_zstd(std::string_view bytes) {
  if (bytes.size() > 1 && kMagic.starts_with(bytes.substr(0, kMagic.size()))) return true;
  return bytes.size() > kSkippable.size() && (bytes[0] & '\xf0') == '\x50' && bytes.substr(1).starts_with(kSkippable);
}

std::unique_ptr<Decompressor> make_unzstd(const std::string& path, std::size_t input_bytes, Decompressor::Input input) {
  return std::make_unique<Unzstd>(path, input_bytes, std::move(input));
}

}  // namespace mal
