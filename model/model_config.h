// Which network to build; MODELS.md §2 and §3. Every default is a default of the configuration file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace mal {

enum class Attention { none, din, mha };
enum class SimTier { none, count, embedding };

struct InteractionConfig {
  Attention attention = Attention::din;
  std::int64_t din_hidden = 36;
  bool softmax = false;    // of DIN's scores
  std::int64_t heads = 4;  // mha
};

struct SimTierConfig {
  SimTier mode = SimTier::embedding;
  std::int64_t tiers = 32;
  std::int64_t dim = 1;  // embedding: width q of each tier's vector
  bool log1p = false;    // count
};

struct SenetConfig {
  bool enabled = false;        // in the trunk, before its layer norm
  std::int64_t reduction = 2;  // hidden width = fields / reduction, at least 1
};

enum class ViewLabels { own, primary };

struct MalConfig {
  std::vector<std::string> views;  // that supervise AKA; empty: every view of the dataset
  ViewLabels view_labels = ViewLabels::own;
  bool cat = true;
  bool detach_knowledge = false;
  double lambda_view = 0.3, lambda_cat = 0.3;
  std::string aka = "shared_bottom";             // how AKA's tasks share: a name of model/registry.h aka_types()
  std::vector<std::int64_t> aka_bottom = {256};  // of aka: shared_bottom
  std::vector<std::int64_t> ptp = {256, 128};
  std::vector<std::int64_t> knowledge = {128};
  std::vector<std::int64_t> head = {64, 32};
};

struct SharedBottomConfig {
  std::int64_t layers = 3;  // of bottom ++ tower
};

struct MmoeConfig {
  std::int64_t experts = 4;
  std::vector<std::int64_t> expert = {256};
};

struct PleConfig {
  std::int64_t layers = 2;
  std::int64_t view_experts = 1, shared_experts = 1;  // a level
  std::vector<std::int64_t> expert = {256};
};

struct HomeConfig {
  std::int64_t experts = 1;  // of each kind
  std::int64_t expert = 256;
  std::int64_t rank = 4;                         // of the feature gates
  std::vector<std::vector<std::string>> groups;  // of views; empty: {last, first} and the others
};

struct AdattConfig {
  std::int64_t layers = 2;
  std::int64_t experts = 1;  // a view and level
  std::vector<std::int64_t> expert = {256};
};

struct NatalConfig {
  double lambda_view = 0.3;
};

struct MoaeConfig {
  std::vector<std::int64_t> expert = {256};
  double lambda_view = 0.3;
};

struct ModelConfig {
  std::string type = "base";     // a name of model/registry.h
  std::string primary = "last";  // the view whose probability is served
  std::int64_t embedding_dim = 16;
  double embedding_init_std = 0.01;
  InteractionConfig interaction;
  SimTierConfig simtier;
  SenetConfig senet;
  bool layer_norm = true;
  double layer_norm_eps = 1e-5;
  std::vector<std::int64_t> bottom = {256};
  std::vector<std::int64_t> tower = {128, 64, 32};
  kernels::Activation activation = kernels::Activation::relu;
  std::vector<double> view_weights;  // factor of each view's loss, in the data set's order; empty: all 1
  SharedBottomConfig shared_bottom;
  MmoeConfig mmoe;
  PleConfig ple;
  HomeConfig home;
  AdattConfig adatt;
  NatalConfig natal;
  MoaeConfig moae;
  MalConfig mal;
};

}  // namespace mal
