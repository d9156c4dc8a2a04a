// What an arm bids with: the probability that a click converts, by a model, by the truth, or by an average.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/inference/mal_infer.h"
#include "train/abtest/place.h"

namespace mal {

// NAME=SOURCE of the command line.
struct ArmSpec {
  std::string name;
  std::string source;  // a run's folder, a model file (*.mal), "oracle" or "average"; {seed} stands for the seed

  bool is_model() const { return source != "oracle" && source != "average"; }
  void check_exists() const;  // usage Error: a model, and nothing is there
};
ArmSpec parse_arm(const std::string& text);

// Of one thread.
class Bidder {
 public:
  virtual ~Bidder() = default;
  // One probability a candidate.
  virtual void predict(const Place& place, std::span<double> probabilities) = 0;

  // What models counted: rows scored, and among them those with an id that training had not seen.
  struct Counts {
    std::uint64_t rows = 0, places = 0, unknown_ads = 0, unknown_users = 0;
  };
  Counts counts;
};

class Arm {
 public:
  // rates: conversions a click, one an industry, for `average`. model_file: where a run is exported to; it goes again.
  // Throws Error: no such run or file, or a model of other columns.
  Arm(ArmSpec spec, const World& world, std::vector<double> rates, const std::string& model_file);

  const ArmSpec& spec() const { return spec_; }
  std::unique_ptr<Bidder> bidder() const;
  const infer::Model* model() const { return model_ ? &*model_ : nullptr; }

  // On every probability; 1 unless the test is of equal calibration.
  double factor = 1;

 private:
  ArmSpec spec_;
  const World& world_;
  std::vector<double> rates_;
  std::optional<infer::Model> model_;
};

}  // namespace mal
