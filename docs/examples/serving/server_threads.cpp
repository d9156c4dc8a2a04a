// A request loop as an ad server has it: threads that score the candidates of one user a request, 200 unless told,
// while a new model is put in place of the old one.
//   g++ -std=c++17 -O2 -pthread -I. server_threads.cpp -o server_threads
//   ./server_threads model.mal [SECONDS [THREADS [CANDIDATES]]]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "mal_infer.h"

namespace infer = mal::infer;
using Clock = std::chrono::steady_clock;

namespace {

// The model that new requests take. A thread that still scores with the old one keeps it alive.
class Current {
 public:
  std::shared_ptr<const infer::Model> get() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return model_;
  }
  void put(infer::Model model) {
    auto fresh = std::make_shared<const infer::Model>(std::move(model));
    const std::lock_guard<std::mutex> lock(mutex_);
    model_ = std::move(fresh);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const infer::Model> model_;
};

// What a thread needs of one model; made anew when the model changes, which is the only time that memory is taken.
struct Workplace {
  Workplace(std::shared_ptr<const infer::Model> of, std::size_t candidates)
      : model(std::move(of)),
        scorer(model->scorer()),
        user(model->features()),
        ads(candidates, model->features()),
        columns(model->columns()),
        probabilities(candidates) {}

  std::shared_ptr<const infer::Model> model;
  infer::Scorer scorer;
  infer::Features user;
  std::vector<infer::Features> ads;
  std::vector<infer::ColumnInfo> columns;
  std::vector<float> probabilities;
};

// Stands for the server's own data: values of a column drawn at random.
void draw(infer::Features& features, const infer::ColumnInfo& info, infer::Column column, std::mt19937& random) {
  std::vector<std::int64_t> ids(info.length);
  std::vector<float> scores(info.length);
  for (std::int64_t& id : ids) id = static_cast<std::int64_t>(random() % 500);
  for (float& score : scores) score = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
  switch (info.kind) {
    case infer::Kind::id:
      features.set(column, ids[0]);
      break;
    case infer::Kind::ids:
    case infer::Kind::sequence:
      features.set(column, ids);
      break;
    case infer::Kind::scores:
      features.set(column, scores);
      break;
    case infer::Kind::number:
      features.set(column, static_cast<double>(random() % 100));
      break;
  }
}

void serve(const Current& current, std::size_t candidates, Clock::time_point stop, unsigned seed,
           std::vector<double>& microseconds) {
  std::mt19937 random(seed);
  auto workplace = std::make_unique<Workplace>(current.get(), candidates);
  do {
    if (const auto model = current.get(); model != workplace->model)
      workplace = std::make_unique<Workplace>(model, candidates);
    Workplace& w = *workplace;
    w.user.clear();
    for (infer::Features& ad : w.ads) ad.clear();
    for (std::size_t c = 0; c < w.columns.size(); ++c) {
      const infer::Column column = w.model->column(w.columns[c].name);
      const bool of_ad = w.columns[c].side == infer::Side::ad || w.columns[c].kind == infer::Kind::scores;
      if (!of_ad) draw(w.user, w.columns[c], column, random);
      for (infer::Features& ad : w.ads)
        if (of_ad) draw(ad, w.columns[c], column, random);
    }
    const Clock::time_point begin = Clock::now();
    w.scorer.set_user(w.user);
    w.scorer.predict(w.ads, w.probabilities);
    microseconds.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  } while (Clock::now() < stop);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: server_threads MODEL [SECONDS [THREADS [CANDIDATES]]]\n"), 2;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 2;
  const int threads = argc > 3 ? std::atoi(argv[3]) : 2;
  const auto candidates = static_cast<std::size_t>(argc > 4 ? std::atoi(argv[4]) : 200);
  try {
    Current current;
    current.put(infer::Model::load(argv[1], infer::Model::Access::map));
    const auto stop =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::vector<std::vector<double>> latencies(static_cast<std::size_t>(threads));
    std::vector<std::thread> pool;
    for (std::size_t t = 0; t < latencies.size(); ++t)
      pool.emplace_back([&, t] { serve(current, candidates, stop, static_cast<unsigned>(t), latencies[t]); });
    int swaps = 0;
    for (; Clock::now() < stop; ++swaps) {  // a new model every now and then
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds / 5));
      current.put(infer::Model::load(argv[1], infer::Model::Access::map));
    }
    for (std::thread& thread : pool) thread.join();
    std::vector<double> all;
    for (const auto& list : latencies) all.insert(all.end(), list.begin(), list.end());
    std::sort(all.begin(), all.end());
    const auto at = [&](double share) {
      return all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
    };
    std::printf(
        "%zu requests of %zu candidates on %d threads, %d new models: p50 %.0f us, p99 %.0f us, p99.9 %.0f us\n",
        all.size(), candidates, threads, swaps, at(0.5), at(0.99), at(0.999));
  } catch (const infer::Error& error) {
    return std::fprintf(stderr, "server_threads: %s\n", error.what()), 1;
  }
  return 0;
}
