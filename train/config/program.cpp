#include "train/config/program.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <new>

#include "engine/error.h"
#include "train/config/suggest.h"

namespace mal {

namespace {

constexpr int kFailed = 1, kWrongUsage = 2;

// One line whatever names and values from the input it shows: control characters would break it, or set a terminal's
// colours.
int report(const std::string& program, std::string message, int code) {
  for (char& c : message)
    if ((c >= 0 && c < ' ') || c == '\x7f') c = c == '\n' || c == '\t' ? ' ' : '?';
  fmt::print(stderr, "{}: {}\n", program, message);
  return code;
}

// A misspelt command or option is a better message than what is missing because of it.
std::string explain(const CLI::ParseError& error, CLI::App& app) {
  constexpr std::string_view kConversion = "Could not convert: ";
  std::string text = error.what();
  if (text.starts_with(kConversion)) return text.substr(kConversion.size()) + ": not a number that is possible here";
  const std::vector<std::string> unknown = app.remaining(true);
  if (unknown.empty() || dynamic_cast<const CLI::RequiredError*>(&error) == nullptr) return text;
  const bool is_option = unknown.front().starts_with('-');
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    if (!is_option) names.push_back(command->get_name());
  return fmt::format("unknown {} '{}'{}", is_option ? "option" : "command", unknown.front(),
                     names.empty() ? "" : suggestion(unknown.front(), names, "commands"));
}

}  // namespace

int run_program(const std::string& program, CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    // A full disk shows no sooner: what was printed is still in the buffer.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      return report(program, "cannot write all of standard output: is the disk full, or the output closed?", kFailed);
    return 0;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return report(program, explain(error, app) + "; see " + program + " --help", kWrongUsage);
  } catch (const Error& error) {
    return report(program, error.what(), error.exit_code());
  } catch (const std::bad_alloc&) {
    return report(program, "out of memory; use a smaller batch or smaller tables", kFailed);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(program, error.path1().string() + ": " + error.code().message(), kFailed);
  } catch (const std::exception& error) {
    return report(program, error.what(), kFailed);
  }
}

std::string check_whole_number(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc() && end == text.data() + text.size()) return "";
  return fmt::format("{} is not a whole number from 0 to 2^64 - 1", text);
}

}  // namespace mal
