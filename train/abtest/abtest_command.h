// `mal_gpu_train abtest`. The callback does the work, prints a summary and throws mal::Error.
#pragma once

namespace CLI {
class App;
}

namespace mal {

void add_abtest_command(CLI::App& app);

}  // namespace mal
