// Sums over rows that a device leaves to the end of a pass: the same bits as at once, and in one launch.
#include "tests/kernels/kernel_test.h"

namespace mal::test::sums {

using kernels::Activation;

const Covers kCovers(&KernelTable::defers_sums, &KernelTable::begin_sums, &KernelTable::finish_sums);

// A layer whose gradients are sums over rows, on the library's way (wide) and on that of small ones.
struct Layer {
  Layer(std::int64_t outputs, const KernelTable& kernels, std::int64_t rows = 130, std::int64_t inputs = 90)
      : draw(static_cast<std::uint64_t>(outputs)),
        x(draw, rows, inputs),
        w(draw, inputs, outputs),
        y(draw, rows, outputs),
        dy(draw, rows, outputs),
        dw(inputs, outputs),
        db(1, outputs),
        workspace(1, kernels.linear_backward_workspace(rows, inputs, outputs)) {}
  void backward(const KernelTable& kernels) {
    kernels.linear_backward(x.data(), x.width(), w.data(), y.data(), y.width(), dy.data(), dy.width(), nullptr, 0,
                            false, dw.data(), db.data(), x.rows(), x.width(), y.width(), Activation::relu,
                            workspace.data());
  }
  Bits gradients() const { return Bits().add(dw).add(db); }
  // Does a device that leaves sums to the end leave this layer's? Of a wide one the library may have made db at once,
  // as it made dw: where it can depends on the shape and the library.
  bool leaves_sums(const KernelTable& kernels) const { return kernels.defers_sums() && y.width() < kWide; }

  static constexpr std::int64_t kWide = 99;  // more weights than small layers have
  Draw draw;
  Matrix x, w, y, dy, dw, db, workspace;
};

std::vector<Layer> layers_of(const KernelTable& kernels, std::size_t count) {
  std::vector<Layer> layers;
  for (std::size_t i = 0; i < count; ++i)
    layers.emplace_back(i == 1 ? Layer::kWide : 1 + static_cast<std::int64_t>(i % 5), kernels);
  return layers;
}

TEST_CASE("sums that are left to the end are those that are made at once", "[kernels][sums]") {
  for_each_device([](const KernelTable& kernels) {
    for (const std::size_t count : {0, 1, 2, 60}) {  // 60 are more than one launch's parameters hold
      std::vector<Layer> now = layers_of(kernels, count), later = now;
      for (Layer& layer : now) layer.backward(kernels);
      kernels.begin_sums();
      for (Layer& layer : later) layer.backward(kernels);
      for (const Layer& layer : later)
        if (layer.leaves_sums(kernels)) CHECK(std::isnan(layer.db.at(0, 0)));
      kernels.finish_sums();
      for (std::size_t i = 0; i < count; ++i) CHECK(bool(later[i].gradients() == now[i].gradients()));
    }
  });
}

TEST_CASE("a pass that was given up leaves nothing for the next", "[kernels][sums]") {
  for_each_device([](const KernelTable& kernels) {
    std::vector<Layer> layers = layers_of(kernels, 2);
    kernels.begin_sums();
    layers[0].backward(kernels);
    kernels.begin_sums();
    layers[1].backward(kernels);
    kernels.finish_sums();
    CHECK(std::isfinite(layers[1].db.at(0, 0)));
    if (layers[0].leaves_sums(kernels)) CHECK(std::isnan(layers[0].db.at(0, 0)));
    layers[0].backward(kernels);  // and what is asked for alone is complete
    CHECK(std::isfinite(layers[0].db.at(0, 0)));
  });
}

TEST_CASE("all sums of a pass are one launch", "[kernels][sums]") {
  if (!tests_on("emulated")) return;
  const KernelTable& kernels = kernels::emulated_kernels();
  std::vector<Layer> layers = layers_of(kernels, 9);
  std::vector<std::string> names;
  kernels.begin_sums();
  for (Layer& layer : layers) layer.backward(kernels);
  kernels::log_emulated_launches(&names);
  kernels.finish_sums();
  kernels::log_emulated_launches(nullptr);
  CHECK(names == std::vector<std::string>{"sum_partials"});
}

const CoversManyRows kManyRows(kCovers);
TEST_CASE("sums over many rows that are left to the end", "[kernels][sums]") {
  for_each_device_of_many_rows(kCovers, [](const KernelTable& kernels, std::int64_t rows) {
    Layer now(3, kernels, rows, 7), later = now;
    now.backward(kernels);
    kernels.begin_sums();
    later.backward(kernels);
    if (later.leaves_sums(kernels)) CHECK(std::isnan(later.db.at(0, 0)));
    kernels.finish_sums();
    CHECK(bool(later.gradients() == now.gradients()));
    CHECK(std::isfinite(later.db.at(0, 0)));
  });
}

}  // namespace mal::test::sums
