#include "tests/kernels/copied_device.h"

#ifdef MAL_HAVE_CUDA
#include <cuda_runtime_api.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace mal::test {

namespace {

using kernels::KernelTable;

// ---- arenas and their twins -----------------------------------------------------------------------------------------

class CopiedMemory {
 public:
  CopiedMemory(const KernelTable& table, const DeviceMemory& of_device)
      : kernels(table),
        pool(
            kArena, [this](std::size_t bytes) { return make(bytes); },
            // At the end of a vector's life there is nobody to throw to, and no result is to be trusted any more.
            [](const std::string& what) {
              std::fprintf(stderr, "memory of the tests: %s\n", what.c_str());
              std::abort();
            }),
        memory_(of_device) {}

  void upload() {
    for (const GuardedPool::Range& range : pool.used()) memory_.copy(twin_of(range.begin), range.begin, range.bytes);
  }
  void download() {
    for (const GuardedPool::Range& range : pool.used()) memory_.copy(range.begin, twin_of(range.begin), range.bytes);
  }
  std::byte* twin_of(const void* memory) const {
    const auto* const at = static_cast<const std::byte*>(memory);
    for (const Twin& twin : twins_)
      if (at >= twin.host && at < twin.host + twin.bytes) return twin.device + (at - twin.host);
    return nullptr;
  }

  const KernelTable& kernels;
  GuardedPool pool;

 private:
  struct Twin {
    std::byte *host, *device;
    std::size_t bytes;
  };
  std::byte* make(std::size_t bytes) {
    std::byte *const host = memory_.make_host(bytes), *const device = memory_.make_device(bytes);
    if (host == nullptr || device == nullptr) return nullptr;
    twins_.push_back({host, device, bytes});
    return host;
  }

  static constexpr std::size_t kArena = std::size_t{64} << 20;
  DeviceMemory memory_;
  std::vector<Twin> twins_;
};

CopiedMemory* copied = nullptr;  // lives as long as the process: vectors may be static

// ---- a call's pointers ----------------------------------------------------------------------------------------------

class Translation;
// Every pointer to memory of the device in what describes a call; LossHead has none.
void translate(kernels::Lookup& l, Translation& t);
void translate(kernels::LookupGradient& l, Translation& t);
void translate(kernels::TableGradient& g, Translation& t);
void translate(kernels::LinearForward& c, Translation& t);
void translate(kernels::LinearBackward& c, Translation& t);
void translate(kernels::ChainForward& c, Translation& t);
void translate(kernels::ChainBackward& c, Translation& t);
void translate(kernels::DinForward& c, Translation& t);
void translate(kernels::DinBackward& c, Translation& t);
void translate(kernels::MultiHeadParameters& p, Translation& t);
void translate(kernels::MultiHeadGradients& g, Translation& t);
void translate(kernels::MixtureInput& m, Translation& t);
void translate(kernels::MixtureOutput& m, Translation& t);
void translate(kernels::MixtureGradient& m, Translation& t);
void translate(kernels::Gate& g, Translation& t);
void translate(kernels::Mixture& m, Translation& t);
void translate(kernels::LossHead& h, Translation& t);
void translate(kernels::SimTierForward& c, Translation& t);
void translate(kernels::SimTierBackward& c, Translation& t);
void translate(kernels::Span& s, Translation& t);
void translate(kernels::DenseTensor& d, Translation& t);
void translate(kernels::SparseTensor& s, Translation& t);

template <typename T>
concept Describes = requires(T& value, Translation& t) {
  translate(value, t);
};

class Translation {
 public:
  // How many elements the call's arrays have: as its first std::int32_t says, or its mixture.
  template <typename... Arguments>
  explicit Translation(std::string entry, const Arguments&... arguments) : entry_(std::move(entry)) {
    (look_for_sizes(arguments), ...);
  }

  template <typename... T>
  void memory(T*&... pointers) {
    (move(pointers), ...);
  }
  // A copy of an array that describes the call, which lives as long as this.
  template <typename T>
  const T* array(const T* values, std::int32_t count) {
    if (values == nullptr) return nullptr;
    auto copy = std::make_shared<std::vector<T>>(values, values + count);
    for (T& value : *copy) translate(value, *this);
    kept_.push_back(copy);
    return copy->data();
  }

  // An argument as the device's kernel takes it. kOnHost: integers stay where they are.
  template <bool kOnHost, typename T>
  std::remove_cvref_t<T> given(const T& argument) {
    std::remove_cvref_t<T> value = argument;
    if constexpr (std::is_pointer_v<T>) {
      if constexpr (Describes<std::remove_cv_t<std::remove_pointer_t<T>>>)
        value = array(argument, next_size());
      else if constexpr (!kOnHost || !std::is_same_v<T, const std::int32_t*>)
        move(value);
    } else if constexpr (Describes<T>) {
      translate(value, *this);
    }
    return value;
  }

 private:
  template <typename T>
  void look_for_sizes(const T& argument) {
    if constexpr (std::is_same_v<T, kernels::Mixture>)
      sizes_ = {argument.expert_count, argument.output_count, argument.expert_count, argument.gate_count};
    else if constexpr (std::is_same_v<T, std::int32_t>)
      if (sizes_.empty()) sizes_ = {argument};
  }
  std::int32_t next_size() { return sizes_.at(std::min(next_++, sizes_.size() - 1)); }
  template <typename T>
  void move(T*& pointer) {
    if (pointer == nullptr) return;
    const void* const host = pointer;
    if (!copied->pool.holds(host))
      throw std::logic_error(entry_ + " is given a pointer that is no Vector's or Matrix's");
    pointer = static_cast<T*>(static_cast<void*>(copied->twin_of(host)));
  }

  std::string entry_;
  std::vector<std::int32_t> sizes_;
  std::size_t next_ = 0;
  std::vector<std::shared_ptr<void>> kept_;
};

void translate(kernels::Lookup& l, Translation& t) {
  t.memory(l.table, l.ids, l.lengths, l.out);
}
void translate(kernels::LookupGradient& l, Translation& t) {
  t.memory(l.ids, l.lengths, l.dout);
}
void translate(kernels::TableGradient& g, Translation& t) {
  g.lookups = t.array(g.lookups, g.lookup_count);
  t.memory(g.rows, g.values, g.count);
}
void translate(kernels::LinearForward& c, Translation& t) {
  t.memory(c.x, c.w, c.b, c.y, c.packed);
}
void translate(kernels::LinearBackward& c, Translation& t) {
  t.memory(c.x, c.w, c.y, c.dy, c.dx, c.dw, c.db, c.packed);
}
void translate(kernels::ChainForward& c, Translation& t) {
  t.memory(c.x, c.w, c.b, c.addend, c.y);
}
void translate(kernels::ChainBackward& c, Translation& t) {
  t.memory(c.x, c.w, c.y, c.dy, c.dx, c.daddend, c.dw, c.db);
}
void translate_input(kernels::DinInput& c, Translation& t) {
  kernels::DinParameters& p = c.parameters;
  t.memory(p.w1, p.b1, p.alpha, p.w2, p.b2, c.sequence, c.target, c.lengths);
}
void translate(kernels::DinForward& c, Translation& t) {
  translate_input(c, t);
  t.memory(c.out, c.scores, c.kept);
}
void translate(kernels::DinBackward& c, Translation& t) {
  translate_input(c, t);
  kernels::DinGradients& g = c.gradients;
  t.memory(c.scores, c.kept, c.dout, c.dsequence, c.dtarget, g.w1, g.b1, g.alpha, g.w2, g.b2);
}
void translate(kernels::MultiHeadParameters& p, Translation& t) {
  t.memory(p.key, p.value, p.value_bias, p.output, p.output_bias);
}
void translate(kernels::MultiHeadGradients& g, Translation& t) {
  t.memory(g.key, g.value, g.value_bias, g.output, g.output_bias);
}
void translate(kernels::MixtureInput& m, Translation& t) {
  t.memory(m.data);
}
void translate(kernels::MixtureOutput& m, Translation& t) {
  t.memory(m.data);
}
void translate(kernels::MixtureGradient& m, Translation& t) {
  t.memory(m.data);
}
void translate(kernels::Gate& g, Translation& t) {
  t.memory(g.logits);  // which experts is said in the host's memory
}
void translate(kernels::Mixture& m, Translation& t) {
  m.gates = t.array(m.gates, m.gate_count);
}
void translate(kernels::LossHead&, Translation&) {}
void translate(kernels::SimTierForward& c, Translation& t) {
  t.memory(c.scores, c.lengths, c.table, c.out);
}
void translate(kernels::SimTierBackward& c, Translation& t) {
  t.memory(c.scores, c.lengths, c.dout, c.dtable);
}
void translate(kernels::Span& s, Translation& t) {
  t.memory(s.data, s.count);
}
void translate(kernels::DenseTensor& d, Translation& t) {
  t.memory(d.weights, d.gradients, d.state1, d.state2);
}
void translate(kernels::SparseTensor& s, Translation& t) {
  t.memory(s.table, s.rows, s.values, s.count);
}

// ---- the table ------------------------------------------------------------------------------------------------------

constexpr std::tuple kEntries{&KernelTable::embedding_forward,
                              &KernelTable::embedding_backward,
                              &KernelTable::embedding_backward_workspace,
                              &KernelTable::linear_forward,
                              &KernelTable::linear_backward,
                              &KernelTable::linear_backward_workspace,
                              &KernelTable::linear_group_forward,
                              &KernelTable::linear_group_backward,
                              &KernelTable::linear_group_backward_workspace,
                              &KernelTable::linear_packed_size,
                              &KernelTable::linear_pack,
                              &KernelTable::chain_forward,
                              &KernelTable::chain_backward,
                              &KernelTable::chain_backward_workspace,
                              &KernelTable::chains_layer,
                              &KernelTable::layer_norm_forward,
                              &KernelTable::layer_norm_backward,
                              &KernelTable::layer_norm_backward_workspace,
                              &KernelTable::batch_norm_statistics,
                              &KernelTable::batch_norm_statistics_workspace,
                              &KernelTable::batch_norm_swish_forward,
                              &KernelTable::batch_norm_swish_backward,
                              &KernelTable::batch_norm_swish_backward_workspace,
                              &KernelTable::batch_norm_update,
                              &KernelTable::din_forward,
                              &KernelTable::din_backward,
                              &KernelTable::din_backward_workspace,
                              &KernelTable::din_kept,
                              &KernelTable::multi_head_forward,
                              &KernelTable::multi_head_backward,
                              &KernelTable::multi_head_backward_workspace,
                              &KernelTable::mixture_forward,
                              &KernelTable::mixture_backward,
                              &KernelTable::mixture_backward_workspace,
                              &KernelTable::feature_gate_forward,
                              &KernelTable::feature_gate_backward,
                              &KernelTable::feature_gate_backward_workspace,
                              &KernelTable::field_mean_forward,
                              &KernelTable::field_mean_backward,
                              &KernelTable::field_scale_forward,
                              &KernelTable::field_scale_backward,
                              &KernelTable::simtier_count_forward,
                              &KernelTable::simtier_embedding_forward,
                              &KernelTable::simtier_embedding_backward,
                              &KernelTable::simtier_embedding_backward_workspace,
                              &KernelTable::multi_view_loss,
                              &KernelTable::multi_view_loss_workspace,
                              &KernelTable::add_forward,
                              &KernelTable::add_backward,
                              &KernelTable::activation_forward,
                              &KernelTable::activation_backward,
                              &KernelTable::copy,
                              &KernelTable::fill,
                              &KernelTable::dot,
                              &KernelTable::dot_workspace,
                              &KernelTable::gradient_norm,
                              &KernelTable::gradient_norm_workspace,
                              &KernelTable::scale_add,
                              &KernelTable::defers_sums,
                              &KernelTable::begin_sums,
                              &KernelTable::finish_sums,
                              &KernelTable::dense_update,
                              &KernelTable::sparse_update,
                              &KernelTable::sparse_state_width};
constexpr std::size_t kEntryCount = std::tuple_size_v<decltype(kEntries)>;
static_assert(kEntryCount == sizeof(KernelTable) / sizeof(void*), "name every entry of KernelTable here");

// As the compiler writes it: "... = &mal::kernels::KernelTable::add_forward]".
template <auto kEntry>
std::string name_of() {
  const std::string text = __PRETTY_FUNCTION__, before = "KernelTable::";
  const std::size_t first = text.rfind(before) + before.size();
  return text.substr(first, text.find_first_of("];", first) - first);
}

// Entries whose integers, where fields begin, describe the call.
template <auto kEntry>
constexpr bool kOffsetsOnHost = false;
template <>
constexpr bool kOffsetsOnHost<&KernelTable::field_mean_forward> = true;
template <>
constexpr bool kOffsetsOnHost<&KernelTable::field_mean_backward> = true;
template <>
constexpr bool kOffsetsOnHost<&KernelTable::field_scale_forward> = true;
template <>
constexpr bool kOffsetsOnHost<&KernelTable::field_scale_backward> = true;

template <std::size_t kIndex, typename Entry>
struct Copied;
template <std::size_t kIndex, typename Result, typename... Arguments>
struct Copied<kIndex, Result (*KernelTable::*)(Arguments...)> {
  static constexpr auto kEntry = std::get<kIndex>(kEntries);

  static Result call(Arguments... arguments) {
    const auto inner = copied->kernels.*kEntry;
    called_entries().insert(kIndex);
    if constexpr (!std::is_void_v<Result>) {
      return inner(arguments...);  // sizes: nothing is computed
    } else {
      Translation translation(name_of<kEntry>(), arguments...);
      // In braces: one after the other, from the left.
      const std::tuple<std::remove_cvref_t<Arguments>...> given{
          translation.given<kOffsetsOnHost<kEntry>>(arguments)...};
      copied->upload();
      std::apply(inner, given);
      copied->download();
      if (const std::string broken = copied->pool.broken_guard(); !broken.empty())
        throw std::runtime_error(name_of<kEntry>() + ": " + broken);
    }
  }
};

template <std::size_t... kIndices>
std::vector<std::string> names(std::index_sequence<kIndices...>) {
  return {name_of<std::get<kIndices>(kEntries)>()...};
}

template <std::size_t... kIndices>
KernelTable make_table(std::index_sequence<kIndices...>) {
  KernelTable table{};
  ((table.*std::get<kIndices>(kEntries) =
        Copied<kIndices, std::remove_const_t<std::tuple_element_t<kIndices, decltype(kEntries)>>>::call),
   ...);
  return table;
}

std::byte* make_plain(std::size_t bytes) {
  return static_cast<std::byte*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256));
}

}  // namespace

DeviceMemory emulated_memory() {
  return {make_plain, make_plain, [](void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }};
}

#ifdef MAL_HAVE_CUDA
DeviceMemory cuda_memory() {
  return {[](std::size_t bytes) {
            void* memory = nullptr;
            return cudaMallocHost(&memory, bytes) == cudaSuccess ? static_cast<std::byte*>(memory) : nullptr;
          },
          [](std::size_t bytes) {
            void* memory = nullptr;
            return cudaMalloc(&memory, bytes) == cudaSuccess ? static_cast<std::byte*>(memory) : nullptr;
          },
          [](void* to, const void* from, std::size_t bytes) {
            // Waits for the kernels before, and is done when it returns.
            if (const cudaError_t status = cudaMemcpy(to, from, bytes, cudaMemcpyDefault); status != cudaSuccess)
              throw std::runtime_error(std::string("cudaMemcpy: ") + cudaGetErrorString(status));
          }};
}
#endif

void use_copied_device(const KernelTable& kernels, const DeviceMemory& memory) {
  copied = new CopiedMemory(kernels, memory);
}

const KernelTable* copied_kernels() {
  static const KernelTable table = make_table(std::make_index_sequence<kEntryCount>());
  return copied == nullptr ? nullptr : &table;
}

GuardedPool& copied_pool() {
  return copied->pool;
}

std::string entry_name(std::size_t entry) {
  static const std::vector<std::string> all = names(std::make_index_sequence<kEntryCount>());
  return all.at(entry);
}

std::set<std::size_t>& called_entries() {
  static std::set<std::size_t> entries;
  return entries;
}

}  // namespace mal::test
