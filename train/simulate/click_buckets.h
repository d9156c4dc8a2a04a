// The clicks of a platform on their way from users to time: they come user by user and are wanted in the order of time.
// They lie in up to 64 files, each of some days, so that a platform of any size takes little memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/attribution/part_file.h"
#include "train/simulate/user_path.h"

namespace mal {

class ClickBuckets {
 public:
  // The files are made in `folder`, and go with this object at the latest. Throws Error, also where the disk is full.
  ClickBuckets(const std::string& folder, int days);

  // Of a user after the other, each user's in the order of time.
  void add(std::span<const SimulatedClick> clicks);
  void finish();  // no add() after this

  std::uint64_t size() const { return size_; }
  std::size_t buckets() const { return files_.size(); }
  // The clicks of a bucket by time, ties in the order of add(); bucket after bucket is the order of time. Once each.
  std::vector<SimulatedClick> take(std::size_t bucket);

 private:
  std::int64_t seconds_;  // that a bucket holds
  std::uint64_t size_ = 0;
  std::vector<PartFile> files_;
  std::vector<std::size_t> sizes_;
};

}  // namespace mal
