// The trainer's configuration: defaults, every key, every refusal with its line, and the resolved file's round trip.
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>

#include "engine/error.h"
#include "engine/random.h"
#include "model/registry.h"
#include "tests/support/temporary_folder.h"
#include "train/config/run_config.h"

namespace mal {

namespace {

constexpr const char* kSmallConfig = "data: {path: d}\noutput: o\n";

RunConfig parsed(std::string_view text, const std::vector<std::string>& overrides = {}) {
  return parse_run_config_text(text, "c.yaml", overrides);
}

// The message of the Error that parsing ends in; "" if there is none.
std::string whole_config_error(std::string_view text, const std::vector<std::string>& overrides = {}) {
  try {
    parsed(text, overrides);
  } catch (const Error& error) {
    CHECK(error.exit_code() == 2);
    CHECK(std::string_view(error.what()).find('\n') == std::string_view::npos);
    return error.what();
  }
  return "";
}

// kSmallConfig (two lines) followed by `text`, so that the text's first line is line 3.
std::string config_error(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return whole_config_error(kSmallConfig + text, overrides);
}

// One or two bytes replaced, inserted, removed, copied elsewhere, or the rest cut off.
std::string mutated(std::string text, const std::function<std::uint64_t(std::uint64_t)>& draw) {
  for (std::uint64_t edits = 1 + draw(2); edits > 0; --edits) {
    const std::size_t at = draw(text.size());
    const auto byte = static_cast<char>(draw(4) == 0 ? draw(256) : ' ' + draw(95));
    const std::string part = text.substr(at, 1 + draw(20));
    const std::uint64_t kind = draw(10);
    if (kind < 4) text[at] = byte;
    if (kind == 4) text.insert(at, 1, byte);
    if (kind == 5 || kind == 6) text.erase(at, part.size());
    if (kind == 7 || kind == 8) text.insert(draw(text.size()), part);
    if (kind == 9) text.resize(at + 1);
  }
  return text;
}

constexpr const char* kEveryKey = R"(name: "every key"
seed: 7
init_from: runs/earlier
vocab: grow
data: {path: data set, prefetch: 5}
model:
  type: mal
  primary: mta
  embedding_dim: 8
  embedding_init_std: 0.02
  interaction: {attention: none, din_hidden: 12, softmax: true}
  simtier: {mode: count, tiers: 16, dim: 2, log1p: true}
  layer_norm: false
  layer_norm_eps: 1e-6
  tower: [32, 16]
  activation: none
  mal:
    views: [last, mta]
    view_labels: primary
    cat: false
    detach_knowledge: true
    lambda_view: 0.5
    lambda_cat: 0.25
    aka: shared_bottom
    aka_bottom: []
    ptp: [64, 32]
    knowledge: [48, 32]
    head: [16]
train:
  epochs: 2
  batch_size: 512
  reduction: weight_mean
  threads: 3
  log_every: 10
  keep_checkpoint: true
  clip_norm: 1.5
  warmup_steps: 50
  schedule: constant
  eval_batch_size: 4096
optimizer:
  dense: {type: sgd, lr: 0.1, l2: 1e-5, momentum: 0.9}
  sparse: {type: ftrl, alpha: 0.05, beta: 2, l1: 0.001, l2: 0.002, initial_accumulator: 0.1}
eval: {slices: [industry_slice, path], baseline: campaign}
output: "runs/it's #1"
)";

}  // namespace

TEST_CASE("a configuration of two keys has every default of the model documents") {
  const RunConfig config = parsed(kSmallConfig);
  CHECK(config.name == "base");
  CHECK(config.seed == 1);
  CHECK(config.data.path == "d");
  CHECK(config.output == "o");
  const RunConfig defaults;
  CHECK(config.model.bottom == std::vector<std::int64_t>{256});
  CHECK(config.model.tower == std::vector<std::int64_t>{128, 64, 32});
  CHECK(config.model.embedding_dim == 16);
  CHECK(config.model.interaction.attention == Attention::din);
  CHECK(config.model.simtier.tiers == 32);
  CHECK(config.train.batch_size == 1024);
  CHECK(config.train.reduction == kernels::Reduction::mean);
  CHECK(config.dense.rule == defaults.dense.rule);
  CHECK(config.sparse.rule == defaults.sparse.rule);
  CHECK(config.schedule.kind == Schedule::cosine);
  const MalConfig mal = parsed(std::string("model: {type: mal}\n") + kSmallConfig).model.mal;
  CHECK(mal.views.empty());
  CHECK(mal.cat);
  CHECK(mal.lambda_view == 0.3);
  CHECK(mal.lambda_cat == 0.3);
  CHECK(mal.aka_bottom == std::vector<std::int64_t>{256});
  CHECK(mal.ptp == std::vector<std::int64_t>{256, 128});
  CHECK(mal.knowledge == std::vector<std::int64_t>{128});
  CHECK(mal.head == std::vector<std::int64_t>{64, 32});
}

TEST_CASE("every key reaches its place") {
  const RunConfig c = parsed(kEveryKey);
  CHECK(c.name == "every key");
  CHECK(c.seed == 7);
  CHECK(c.init_from == "runs/earlier");
  CHECK(c.vocab == Vocab::grow);
  CHECK(c.data.path == "data set");
  CHECK(c.data.prefetch == 5);
  CHECK(c.model.type == "mal");
  CHECK(c.model.primary == "mta");
  CHECK(c.model.embedding_dim == 8);
  CHECK(c.model.embedding_init_std == 0.02);
  CHECK(c.model.interaction.attention == Attention::none);
  CHECK(c.model.interaction.din_hidden == 12);
  CHECK(c.model.interaction.softmax);
  CHECK(c.model.simtier.mode == SimTier::count);
  CHECK(c.model.simtier.tiers == 16);
  CHECK(c.model.simtier.dim == 2);
  CHECK(c.model.simtier.log1p);
  CHECK_FALSE(c.model.layer_norm);
  CHECK(c.model.layer_norm_eps == 1e-6);
  CHECK(c.model.tower == std::vector<std::int64_t>{32, 16});
  CHECK(c.model.activation == kernels::Activation::none);
  CHECK(c.model.mal.views == std::vector<std::string>{"last", "mta"});
  CHECK(c.model.mal.view_labels == ViewLabels::primary);
  CHECK_FALSE(c.model.mal.cat);
  CHECK(c.model.mal.detach_knowledge);
  CHECK(c.model.mal.lambda_view == 0.5);
  CHECK(c.model.mal.lambda_cat == 0.25);
  CHECK(c.model.mal.aka_bottom.empty());
  CHECK(c.model.mal.ptp == std::vector<std::int64_t>{64, 32});
  CHECK(c.model.mal.knowledge == std::vector<std::int64_t>{48, 32});
  CHECK(c.model.mal.head == std::vector<std::int64_t>{16});
  CHECK(c.train.epochs == 2);
  CHECK(c.train.batch_size == 512);
  CHECK(c.train.reduction == kernels::Reduction::weight_mean);
  CHECK(c.train.threads == 3);
  CHECK(c.train.log_every == 10);
  CHECK(c.train.keep_checkpoint);
  CHECK(c.train.eval_batch_size == 4096);
  CHECK(c.schedule.clip_norm == 1.5);
  CHECK(c.schedule.warmup_steps == 50);
  CHECK(c.schedule.kind == Schedule::constant);
  CHECK(c.dense.rule == kernels::DenseRule::sgd);
  CHECK(c.dense.learning_rate == 0.1);
  CHECK(c.dense.l2 == 1e-5);
  CHECK(c.dense.momentum == 0.9);
  CHECK(c.sparse.rule == kernels::SparseRule::ftrl);
  CHECK(c.sparse.learning_rate == 0.05);
  CHECK(c.sparse.beta == 2);
  CHECK(c.sparse.l1 == 0.001);
  CHECK(c.sparse.l2 == 0.002);
  CHECK(c.sparse.initial_accumulator == 0.1);
  CHECK(c.eval.slices == std::vector<std::string>{"industry_slice", "path"});
  CHECK(c.eval.baseline == "campaign");
  CHECK(c.output == "runs/it's #1");
}

TEST_CASE("the resolved configuration reads back as itself") {
  for (const char* text : {kSmallConfig, kEveryKey}) {
    const std::string resolved = to_yaml(parsed(text));
    CHECK(to_yaml(parsed(resolved)) == resolved);
  }
  const std::string resolved = to_yaml(parsed(kEveryKey));
  CHECK_THAT(resolved, Catch::Contains("name: \"every key\"\n"));
  CHECK_THAT(resolved, Catch::Contains("  layer_norm_eps: 1e-06\n"));
  CHECK_THAT(resolved, Catch::Contains("    views: [last, mta]\n"));
  CHECK_THAT(resolved, !Catch::Contains("bottom: [256]"));  // of base
}

TEST_CASE("text and numbers of any kind survive the round trip") {
  const Random random(5, "config_test");
  constexpr std::string_view kCharacters[] = {"a", " ", "\"", "\\", "'", "#", ":", "{",
                                              "é", "-", "~",  "%",  "1", ",", "\t"};
  RunConfig config = parsed(kEveryKey);
  std::uint64_t next = 0;
  for (int round = 0; round < 200; ++round) {
    config.name = round % 7 == 0 ? "null" : "";
    while (config.name.empty() || (round % 7 != 0 && random.below(next++, 6) != 0))
      config.name += kCharacters[random.below(next++, std::size(kCharacters) - 1)];
    config.model.mal.lambda_view = random.uniform(next++) * 3;
    config.dense.learning_rate = std::pow(10.0, -8 * random.uniform(next++));
    config.seed = random.bits(next++) >> 1U;
    const RunConfig back = parsed(to_yaml(config));
    CHECK(back.name == config.name);
    CHECK(back.model.mal.lambda_view == config.model.mal.lambda_view);
    CHECK(back.dense.learning_rate == config.dense.learning_rate);
    CHECK(back.seed == config.seed);
  }
}

TEST_CASE("every rule of the optimisers takes its own keys and refuses the others") {
  for (const char* type : {"adam", "adamw", "adagrad", "sgd"}) {
    const std::string resolved = to_yaml(parsed(kSmallConfig, {std::string("optimizer.dense.type=") + type}));
    CHECK(to_yaml(parsed(resolved)) == resolved);
  }
  for (const char* type : {"adagrad", "rowwise_adagrad", "lazy_adam", "sgd", "ftrl", "adam_dense"}) {
    const std::string resolved = to_yaml(parsed(kSmallConfig, {std::string("optimizer.sparse.type=") + type}));
    CHECK(to_yaml(parsed(resolved)) == resolved);
  }
  CHECK(config_error("optimizer:\n  sparse:\n    type: adagrad\n    beta1: 0.9\n") ==
        "c.yaml:6: 'optimizer.sparse.beta1': has no effect on type: adagrad, whose keys are lr, eps, l2, "
        "initial_accumulator");
  CHECK(config_error("optimizer:\n  sparse: {type: ftrl,\n    lr: 0.1}\n") ==
        "c.yaml:5: 'optimizer.sparse.lr': has no effect on type: ftrl, whose keys are alpha, beta, l1, l2, "
        "initial_accumulator");
  CHECK(config_error("optimizer:\n  dense: {l1: 0.1}\n") ==
        "c.yaml:4: 'optimizer.dense.l1': has no effect on type: adam, whose keys are lr, beta1, beta2, eps, l2");
  CHECK(config_error("optimizer:\n  dense: {type: ftrl}\n")
            .starts_with("c.yaml:4: 'optimizer.dense.type' must be one of adam, adamw, adagrad, sgd, not 'ftrl'"));
}

TEST_CASE("errors of a configuration name the line") {
  CHECK(config_error("model:\n  atention: din\n").starts_with("c.yaml:4: unknown key 'model.atention'"));
  CHECK(config_error("model:\n  interaction:\n    atention: din\n") ==
        "c.yaml:5: unknown key 'model.interaction.atention'; did you mean 'attention'?");
  CHECK(config_error("batch_size: 3\n") == "c.yaml:3: unknown key 'batch_size'; did you mean 'train.batch_size'?");
  CHECK(config_error("model:\n  type: bse\n") ==
        fmt::format("c.yaml:4: 'model.type' must be one of {}, not 'bse'; did you mean 'base'?",
                    fmt::join(model_types(), ", ")));
  CHECK(config_error("model:\n  interaction: {attention: mhaa}\n")
            .starts_with("c.yaml:4: 'model.interaction.attention' must be one of din, mha, none, not 'mhaa'"));
  CHECK(config_error("model:\n  type: mal\n  mal: {aka: natal}\n") ==
        "c.yaml:5: 'model.mal.aka' must be one of shared_bottom, mmoe, ple, home, not 'natal'");
  CHECK(config_error("model:\n  mal: {cat: false}\n") ==
        "c.yaml:4: 'model.mal': has no effect on type: base; remove it, or set model.type: mal");
  CHECK(config_error("model:\n  type: mal\n  bottom: [64]\n").starts_with("c.yaml:5: 'model.bottom': has no effect"));
  CHECK(config_error("model:\n  type: mal\n  mal:\n    knowledge: [64]\n")
            .starts_with("c.yaml:6: 'model.mal.knowledge': its last width must equal"));
  CHECK(config_error("model:\n  type: mal\n  mal:\n    views: [a, b, a]\n") ==
        "c.yaml:6: 'model.mal.views': 'a' is named twice");
  CHECK(config_error("model:\n  type: mal\n  mal:\n    views: [a,b,c,d,e,f,g,h,i,j,k,l,m]\n")
            .starts_with("c.yaml:6: 'model.mal.views': 13 views are too many for the 2^N classes of CAT"));
  CHECK(config_error("model:\n  type: mal\n  mal: {cat: false, views: [a,b,c,d,e,f,g,h,i,j,k,l,m]}\n").empty());
  CHECK(config_error("model:\n  tower: []\n") ==
        "c.yaml:4: 'model.tower': at least one layer is needed, such as [128]");
  CHECK(config_error("model:\n  tower: [64, 0]\n") ==
        "c.yaml:4: 'model.tower': a layer's width must be from 1 to 65536, not 0");
  CHECK(config_error("model:\n  bottom: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]\n") ==
        "c.yaml:4: 'model.bottom': 17 layers are too many, the limit is 16");
  CHECK(config_error("model:\n  primary: ''\n").starts_with("c.yaml:4: 'model.primary': name a view"));
  CHECK(config_error("train:\n  batch_size: 0\n") == "c.yaml:4: 'train.batch_size' must be from 1 to 4194304, not 0");
  CHECK(config_error("train:\n  epochs: 1.5\n") == "c.yaml:4: 'train.epochs' must be a whole number, not '1.5'");
  CHECK(config_error("train:\n  schedule: cosin\n") ==
        "c.yaml:4: 'train.schedule' must be one of constant, cosine, not 'cosin'; did you mean 'cosine'?");
  CHECK(config_error("seed: -1\n") == "c.yaml:3: 'seed' must be at least 0, not -1");
  CHECK(config_error("eval:\n  slices: industry\n").starts_with("c.yaml:4: 'eval.slices' must be a list"));
  CHECK(config_error("eval:\n  slices: ['']\n") == "c.yaml:4: 'eval.slices': an empty name");
  CHECK(config_error("optimizer:\n  dense:\n    beta1: 1\n") ==
        "c.yaml:5: 'optimizer.dense.beta1' must be from 0 to 0.999999, not 1");
}

TEST_CASE("what a run cannot do without is required") {
  CHECK(whole_config_error("output: o\n") ==
        "c.yaml: 'data.path': required: the folder of a data set that `mal_data prepare` wrote");
  CHECK(whole_config_error("\ndata:\n  prefetch: 3\noutput: o\n").starts_with("c.yaml:2: 'data.path': required"));
  CHECK(whole_config_error("\ndata:\n  pth: x\noutput: o\n") ==
        "c.yaml:3: unknown key 'data.pth'; did you mean 'path'?");
  CHECK(whole_config_error("data: {path: d}\n").starts_with("c.yaml:1: 'output': required"));
}

TEST_CASE("overrides win over the file and name --set when they are wrong") {
  const RunConfig config = parsed(kEveryKey, {"train.batch_size=64", "model.tower=[8]", "name=", "output=/tmp/x y",
                                              "model.mal={}", "train.batch_size=32"});
  CHECK(config.train.batch_size == 32);
  CHECK(config.model.tower == std::vector<std::int64_t>{8});
  CHECK(config.name == "mal");
  CHECK(config.output == "/tmp/x y");
  CHECK(config.model.mal.cat);
  CHECK(config_error("", {"train.batchsize=3"}) ==
        "--set train.batchsize=3: unknown key 'train.batchsize'; did you mean 'batch_size'?");
  CHECK(config_error("", {"optimizer.sparse.lr=0"}) ==
        "--set optimizer.sparse.lr=0: 'optimizer.sparse.lr' must be from 1e-12 to 1000, not 0");
  CHECK(config_error("", {"model.mal.cat=false"}).starts_with("--set model.mal.cat=false: 'model.mal': has no effect"));
  CHECK(config_error("", {"train"}) == "--set train: expected key=value, for example train.batch_size=512");
}

TEST_CASE("the reference describes every key") {
  const std::string docs = std::string(MAL_TEST_DATA) + "/../../docs/configuration.md";
  std::ifstream file(docs);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<std::string> path;
  std::string resolved = to_yaml(parsed(kEveryKey)) + to_yaml(parsed(kSmallConfig));
  resolved += to_yaml(parsed(kSmallConfig, {"optimizer.dense.type=adagrad", "optimizer.sparse.type=sgd"}));
  resolved += to_yaml(parsed(kSmallConfig, {"model.interaction.attention=mha"}));
  for (const std::string& type : model_types()) resolved += to_yaml(parsed(kSmallConfig, {"model.type=" + type}));
  std::istringstream lines(resolved);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t indent = line.find_first_not_of(' ');
    path.resize(indent / 2);
    path.push_back(line.substr(indent, line.find(':') - indent));
    if (line.back() == ':') continue;  // a section
    const std::string key = fmt::format("`{}`", fmt::join(path, "."));
    INFO(key);
    CHECK(text.find(key) != std::string::npos);
  }
}

TEST_CASE("the presets are valid") {
  int presets = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(MAL_TEST_DATA) + "/../../train/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    INFO(entry.path());
    CHECK_NOTHROW(parse_run_config(entry.path().string(), {}));
    ++presets;
  }
  CHECK(presets >= 2);
}

TEST_CASE("mutated configurations never do more than fail") {
  const Random random(6, "config_test");
  std::uint64_t next = 0;
  const auto draw = [&](std::uint64_t n) { return random.below(next++, n); };
  int good = 0;
  for (int round = 0; round < 5000; ++round) {
    const std::string text = mutated(kEveryKey, draw);
    if (!whole_config_error(text).empty()) continue;
    const std::string resolved = to_yaml(parsed(text));
    CHECK(to_yaml(parsed(resolved)) == resolved);
    ++good;
  }
  CHECK(good > 50);
}

TEST_CASE("a configuration comes from a file") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "c.yaml") << kSmallConfig << "sed: 3\n";
  CHECK_THROWS_WITH(parse_run_config(folder / "c.yaml", {}),
                    folder / "c.yaml" + ":3: unknown key 'sed'; did you mean 'seed'?");
  CHECK_THROWS_AS(parse_run_config(folder / "missing.yaml", {}), Error);
}

}  // namespace mal
