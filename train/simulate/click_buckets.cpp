#include "train/simulate/click_buckets.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

namespace mal {

namespace {

constexpr int kMaxBuckets = 64;  // files open at once

}  // namespace

static_assert(std::is_trivially_copyable_v<SimulatedClick> && sizeof(SimulatedClick) == 24, "written as it is");

ClickBuckets::ClickBuckets(const std::string& folder, int days) {
  const int days_each = (days + kMaxBuckets - 1) / kMaxBuckets;
  const int buckets = (days + days_each - 1) / days_each;
  seconds_ = std::int64_t{days_each} * 86400;
  sizes_.assign(static_cast<std::size_t>(buckets), 0);
  files_.reserve(sizes_.size());
  for (int bucket = 0; bucket < buckets; ++bucket) files_.emplace_back(fmt::format("{}/clicks.{}", folder, bucket));
}

void ClickBuckets::add(std::span<const SimulatedClick> clicks) {
  for (const SimulatedClick& click : clicks) {
    const auto bucket = static_cast<std::size_t>((click.time - kSimulationStart) / seconds_);
    files_[bucket].put(click);
    ++sizes_[bucket];
  }
  size_ += clicks.size();
}

void ClickBuckets::finish() {
  for (PartFile& file : files_) file.finish();
}

std::vector<SimulatedClick> ClickBuckets::take(std::size_t bucket) {
  std::vector<SimulatedClick> clicks(sizes_[bucket]);
  PartFile& file = files_[bucket];
  file.open();
  for (SimulatedClick& click : clicks) click = file.get<SimulatedClick>();
  file.remove();
  std::stable_sort(clicks.begin(), clicks.end(),
                   [](const SimulatedClick& a, const SimulatedClick& b) { return a.time < b.time; });
  return clicks;
}

}  // namespace mal
