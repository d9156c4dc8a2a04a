#include "train/attribution/click_parts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <queue>
#include <system_error>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::size_t kWriteBytes = 1 << 14;  // of each part: all are open while the log is read
constexpr std::size_t kReadBytes = 1 << 16;
constexpr std::uint8_t kClick = 1, kConversion = 0;

[[noreturn]] void fail_disk(const char* action, const std::string& path) {
  fail("cannot {} {}: {}; free some space or choose another --out", action, path,
       std::generic_category().message(errno));
}

std::size_t part_of(std::string_view user) {
  return XXH3_64bits(user.data(), user.size()) % ClickParts::kParts;
}

}  // namespace

PartFile::PartFile(std::string path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_disk("create", path_);
  buffer_.reserve(kWriteBytes);
}

PartFile::PartFile(PartFile&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      descriptor_(std::exchange(other.descriptor_, -1)),
      buffer_(std::move(other.buffer_)),
      at_(other.at_) {}

PartFile::~PartFile() {
  remove();
}

void PartFile::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void PartFile::remove() {
  close();
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
  buffer_ = {};
}

void PartFile::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t written = ::write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_disk("write", path_);
    done += static_cast<std::size_t>(written);
  }
  buffer_.clear();
}

void PartFile::write(const void* data, std::size_t bytes) {
  if (buffer_.size() + bytes > kWriteBytes) flush();
  const char* from = static_cast<const char*>(data);
  buffer_.insert(buffer_.end(), from, from + bytes);
}

void PartFile::put(std::string_view text) {
  put(static_cast<std::uint32_t>(text.size()));  // a line is at most 16 MiB
  write(text.data(), text.size());
}

void PartFile::finish() {
  flush();
  close();
  buffer_ = {};
}

void PartFile::open() {
  close();
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail_disk("open", path_);
  buffer_.clear();
  at_ = 0;
}

bool PartFile::read(void* data, std::size_t bytes) {
  char* out = static_cast<char*>(data);
  std::size_t done = 0;
  while (done < bytes) {
    if (at_ == buffer_.size()) {
      buffer_.resize(kReadBytes);
      ssize_t got = 0;
      do {
        got = ::read(descriptor_, buffer_.data(), buffer_.size());
      } while (got < 0 && errno == EINTR);
      if (got < 0) fail_disk("read", path_);
      buffer_.resize(static_cast<std::size_t>(got));
      at_ = 0;
      if (got == 0) {
        if (done != 0) fail("cannot read {}: it has become shorter", path_);
        return false;
      }
    }
    const std::size_t part = std::min(bytes - done, buffer_.size() - at_);
    std::memcpy(out + done, buffer_.data() + at_, part);
    done += part;
    at_ += part;
  }
  return true;
}

void PartFile::require(void* data, std::size_t bytes) {
  if (bytes != 0 && !read(data, bytes)) fail("cannot read {}: it has become shorter", path_);
}

std::string_view PartFile::get_text() {
  text_.resize(get<std::uint32_t>());
  require(text_.data(), text_.size());
  return text_;
}

ClickParts::ClickParts(const std::string& folder, bool with_slices, bool with_truth, std::size_t histories,
                       std::size_t mechanisms)
    : folder_(folder),
      with_slices_(with_slices),
      with_truth_(with_truth),
      histories_(histories),
      mechanisms_(mechanisms) {
  for (std::size_t part = 0; part < kParts; ++part) files_.emplace_back(fmt::format("{}/clicks-{:03}", folder, part));
}

void ClickParts::add_click(const PartClick& click, std::string_view user, std::string_view key) {
  PartFile& file = files_[part_of(user)];
  file.put(kClick);
  file.put(click.time);
  file.put(click.number);
  file.put(click.channel);
  file.put(click.row);
  if (with_slices_) file.put(click.slice);
  if (with_truth_) file.put(click.truth);
  file.put(user);
  file.put(key);
  for (const std::string_view value : click.history) file.put(value);
  first_time_ = clicks_ == 0 ? click.time : std::min(first_time_, click.time);
  last_time_ = clicks_ == 0 ? click.time : std::max(last_time_, click.time);
  ++clicks_;
}

void ClickParts::add_conversion(std::int64_t time, std::string_view user, std::string_view key) {
  PartFile& file = files_[part_of(user)];
  file.put(kConversion);
  file.put(time);
  file.put(user);
  file.put(key);
  ++conversions_;
}

void ClickParts::finish() {
  for (PartFile& file : files_) file.finish();
}

ClickLog ClickParts::load(std::size_t part) {
  ClickLog log;
  PairInterner groups;
  log.history.resize(histories_);
  log.history_values.resize(histories_);
  numbers_.clear();
  PartFile& file = files_[part];
  file.open();
  const auto group = [&] {
    const std::uint32_t user = log.users.intern(file.get_text());
    return std::pair(user, groups.intern(user, log.keys.intern(file.get_text())));
  };
  std::uint8_t kind = 0;
  while (file.read(&kind, sizeof kind)) {
    const auto time = file.get<std::int64_t>();
    if (kind == kConversion) {
      log.conversions.push_back({time, group().second});
      continue;
    }
    log.time.push_back(time);
    numbers_.push_back(file.get<std::uint32_t>());
    log.channel.push_back(file.get<std::uint32_t>());
    log.row.push_back(file.get<std::uint64_t>());
    if (with_slices_) log.slice.push_back(file.get<std::uint32_t>());
    if (with_truth_) log.truth.push_back(file.get<float>());
    const auto [user, pair] = group();
    log.user.push_back(user);
    log.group.push_back(pair);
    for (std::size_t h = 0; h < histories_; ++h)
      log.history[h].push_back(log.history_values[h].intern(file.get_text()));
  }
  log.groups = groups.size();
  return log;
}

void ClickParts::add_line(std::size_t part, const ClickLine& line, std::uint32_t number) {
  // Parts come one after the other: the one before is complete.
  if (runs_.size() <= part) {
    if (!runs_.empty()) runs_.back().finish();
    while (runs_.size() <= part) runs_.emplace_back(fmt::format("{}/lines-{:03}", folder_, runs_.size()));
  }
  PartFile& file = runs_[part];
  file.put(line.time);
  file.put(number);
  file.put(line.row);
  file.put(line.path_length);
  file.write(line.credits, mechanisms_ * sizeof(float));
  if (histories_ > 0) file.put(line.history);
}

// The next line of one part.
struct ClickParts::Run {
  PartFile* file;
  ClickLine line = {};
  std::uint32_t number = 0;
  std::vector<float> credits = {};
  std::string history = {};

  bool next(std::size_t mechanisms, bool with_history) {
    if (!file->read(&line.time, sizeof line.time)) return false;
    number = file->get<std::uint32_t>();
    line.row = file->get<std::uint64_t>();
    line.path_length = file->get<std::uint32_t>();
    credits.resize(mechanisms);
    for (float& credit : credits) credit = file->get<float>();
    line.credits = credits.data();
    if (with_history) history = file->get_text();
    line.history = history;
    return true;
  }
};

void ClickParts::merge(const std::function<void(const ClickLine& line)>& visit) {
  files_.clear();  // parts without a click are still there
  std::vector<Run> runs;
  for (PartFile& file : runs_) {
    file.finish();
    file.open();
    runs.push_back({&file});
  }
  const auto later = [&](std::size_t a, std::size_t b) {
    return std::pair(runs[a].line.time, runs[a].number) > std::pair(runs[b].line.time, runs[b].number);
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> queue(later);
  for (std::size_t r = 0; r < runs.size(); ++r)
    if (runs[r].next(mechanisms_, histories_ > 0)) queue.push(r);
  while (!queue.empty()) {
    const std::size_t run = queue.top();
    queue.pop();
    visit(runs[run].line);
    if (runs[run].next(mechanisms_, histories_ > 0)) queue.push(run);
  }
  runs_.clear();
}

}  // namespace mal
