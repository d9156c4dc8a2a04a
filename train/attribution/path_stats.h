// What the journeys of a log look like: their lengths, how long they take, their paths and the steps between channels.
// Counts of whole things, so the same however the log is cut into parts.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "train/attribution/click_log.h"
#include "train/attribution/exact_sum.h"
#include "train/attribution/journeys.h"

namespace mal {

struct PathReport {
  struct Bin {
    std::string label;
    std::uint64_t conversions = 0;
  };
  struct Path {
    std::vector<std::string> channels;  // a channel that follows itself stands once
    std::uint64_t conversions = 0;
    double value = 0;
  };
  std::uint64_t conversions = 0, paths = 0;  // paths: different ones
  std::vector<Bin> lengths;                  // clicks of converting journeys
  std::vector<Bin> times;                    // from the first click to the conversion
  std::vector<Path> top;                     // by falling conversions, then by their channels
  // The steps of all journeys, whether they convert or not. Rows: the start, then channels. Columns: conversion, none,
  // then the same channels, which are the ones with the most steps; "other" stands for the rest.
  std::vector<std::string> step_channels;
  std::vector<std::vector<std::uint64_t>> steps;
};

class PathStats {
 public:
  void add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys);
  // channels: of the log.
  PathReport report(const Interner& channels) const;

 private:
  struct PathCount {
    std::uint64_t conversions = 0;
    ExactSum value;
  };
  void add_converting(const Journey& journey, const JourneyRange& range);
  void add_steps(const Journey& journey, bool converted);
  void describe_steps(const Interner& channels, PathReport& report) const;

  std::vector<std::uint64_t> lengths_, times_;
  std::unordered_map<std::string, PathCount> paths_;        // by the bytes of their channels' numbers
  std::unordered_map<std::uint64_t, std::uint64_t> steps_;  // from << 32 | to
  std::string path_;                                        // scratch
};

}  // namespace mal
