#include <utility>

#include "model/tower.h"
#include "model/zoo/zoo.h"

namespace mal::zoo {

std::vector<Head> view_towers(const ZooContext& context, const std::vector<Value>& vectors,
                              const std::vector<std::int64_t>& widths) {
  std::vector<Head> heads;
  for (std::size_t v = 0; v < context.views.size(); ++v) {
    const std::string& view = context.views[v];
    const Tower t =
        tower(context.graph, context.parameters, vectors[v], widths, 1, context.config.activation, "tower/" + view);
    Head head{"view/" + view, t.logits, ops::HeadKind::view, {static_cast<int>(v)}, context.view_weight(v)};
    if (static_cast<int>(v) == context.primary) {
      head.name = "primary";
      heads.insert(heads.begin(), std::move(head));
    } else {
      heads.push_back(std::move(head));
    }
  }
  return heads;
}

}  // namespace mal::zoo
