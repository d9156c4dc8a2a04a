#include "train/config/program.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <new>

#include "engine/error.h"

namespace mal {

namespace {

constexpr int kFailed = 1, kWrongUsage = 2;

int report(const std::string& program, const std::string& message, int code) {
  fmt::print(stderr, "{}: {}\n", program, message);
  return code;
}

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

}  // namespace

int run_program(const std::string& program, CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return report(program, one_line(error.what()) + "; see " + program + " --help", kWrongUsage);
  } catch (const Error& error) {
    return report(program, error.what(), error.exit_code());
  } catch (const std::bad_alloc&) {
    return report(program, "out of memory; use a smaller batch or smaller tables", kFailed);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(program, error.path1().string() + ": " + error.code().message(), kFailed);
  } catch (const std::exception& error) {
    return report(program, one_line(error.what()), kFailed);
  }
}

}  // namespace mal
