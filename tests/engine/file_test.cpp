#include "engine/file.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

#include "engine/error.h"
#include "tests/support/temporary_folder.h"

namespace fs = std::filesystem;
using mal::OutputFile;
using mal::OutputFolder;
using mal::read_file;
using mal::test::TemporaryFolder;

TEST_CASE("a file appears whole at commit and not before", "[file]") {
  const TemporaryFolder folder;
  const std::string path = folder / "data.bin";
  {
    OutputFile file(path);
    file.write(std::string(3 << 20, 'x'));
    CHECK_FALSE(fs::exists(path));
    file.seek(1);
    file.write("abc");
    file.commit();
  }
  const std::string content = read_file(path);
  CHECK(content.size() == 3 << 20);
  CHECK(content.substr(0, 5) == "xabcx");
  CHECK_FALSE(fs::exists(path + ".tmp"));
}

TEST_CASE("without commit nothing is left, and what was there stays", "[file]") {
  const TemporaryFolder folder;
  const std::string path = folder / "data.bin";
  {
    OutputFile file(path);
    file.write("old");
    file.commit();
  }
  {
    OutputFile file(path);
    file.write("new");
  }
  CHECK(read_file(path) == "old");
  CHECK_FALSE(fs::exists(path + ".tmp"));
}

TEST_CASE("a file that cannot grow is an error that names it and leaves nothing", "[file]") {
  const TemporaryFolder folder;
  const std::string path = folder / "data.bin";
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 20, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string message;
  try {
    OutputFile file(path);
    file.write(std::string(4 << 20, 'x'));
    file.commit();
  } catch (const mal::Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(message.find(path) != std::string::npos);
  CHECK(message.find("free some space") != std::string::npos);
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("a folder appears whole, replaces only its own kind, and cleans up", "[file]") {
  const TemporaryFolder folder;
  const std::string target = folder / "dataset";
  {
    OutputFolder output(target, "marker");
    OutputFile(output.path() + "/marker").commit();
    CHECK_FALSE(fs::exists(target));
    output.commit();
  }
  CHECK(fs::exists(target + "/marker"));
  { OutputFolder abandoned(target, "marker"); }
  CHECK(fs::exists(target + "/marker"));
  CHECK_FALSE(fs::exists(target + ".tmp"));

  fs::create_directory(folder / "foreign");
  OutputFile(folder / "foreign/photo").commit();
  CHECK_THROWS_WITH(OutputFolder(folder / "foreign", "marker"), Catch::Contains("was not written by this command"));
  CHECK(fs::exists(folder / "foreign/photo"));
}

TEST_CASE("mapping: missing, empty and folder", "[file]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(mal::MappedFile(folder / "none"), Catch::Contains("cannot open"));
  CHECK_THROWS_WITH(mal::MappedFile(folder.path()), Catch::Contains("not a regular file"));
  OutputFile(folder / "empty").commit();
  CHECK(mal::MappedFile(folder / "empty").size() == 0);
}
