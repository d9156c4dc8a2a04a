#include "train/days/days.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "engine/error.h"
#include "engine/file.h"
#include "train/days/day_tables.h"
#include "train/days/train_days.h"
#include "train/experiment/folder_lock.h"
#include "train/experiment/write_results.h"
#include "train/report/page.h"
#include "train/report/svg.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

constexpr const char* kScores = "/scores";  // says that a folder is ours

// What is in --out may be removed and written, if it is ours.
void make_out(const std::string& out) {
  std::error_code error;
  if (out.empty()) fail_usage("--out is empty; name a folder");
  if (fs::exists(out) && !fs::is_directory(out + kScores) && !(fs::is_directory(out) && fs::is_empty(out)))
    fail_usage("--out {}: it exists and was not written by `days`; choose another folder", out);
  fs::create_directories(out + kScores, error);
  if (error) fail("cannot create {}{}: {}; choose another --out", out, kScores, error.message());
}

// What whoever made the days says of them: which labels the training rows have.
std::string about_of(const std::string& data_dir) {
  const std::string path = data_dir + "/about.txt";
  if (!fs::exists(path)) return "";
  std::string text = read_file(path);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

void write_text(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

void write_all(const std::string& out, const DayResults& results) {
  const std::vector<ResultTable> tables = day_tables(results);
  std::string markdown, html, charts;
  if (!results.about.empty()) {
    markdown = "Data: " + results.about + "\n\n";
    html = fmt::format("<p>Data: {}</p>\n", escape_html(results.about));
  }
  for (const std::string& picture : day_pictures(results)) charts += fmt::format("<div>{}</div>\n", picture);
  for (std::size_t t = 0; t < tables.size(); ++t) {
    markdown += (t == 0 ? "" : "\n") + to_markdown(tables[t]);
    html += fmt::format("<div class=\"table\">{}</div>\n", to_html(tables[t]));
    if (t == 0) html += fmt::format("<div class=\"charts\">{}</div>\n", charts);
  }
  write_text(out + "/days.md", markdown);
  write_text(out + "/days.html", html_page("Progressive evaluation: test on the next day, then train on it", html));
  // Last: it says that the others are there.
  write_text(out + "/days.json", day_json(results).dump(1) + "\n");
  fmt::print("\n{}\nwritten: {}/days.md, days.json, days.html\n", markdown, out);
}

}  // namespace

void run_days(const DaysOptions& options) {
  const std::vector<Day> days = open_days(options.data_dir);
  const std::vector<DayModel> models = read_models(options.configs, options.overrides, days.front().dataset);
  make_out(options.out);
  const FolderLock lock(options.out);
  const DayFiles files(options.out, days, models);
  files.check_datasets();
  train_days(days, models, files, {options.program, options.device, options.jobs, options.frozen});
  DayResults results = day_results(days, models, files, options.frozen, {options.resamples, options.seed});
  results.about = about_of(options.data_dir);
  write_all(options.out, results);
}

}  // namespace mal
