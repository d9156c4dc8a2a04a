#include "train/experiment/write_results.h"

#include <fmt/format.h>

#include <filesystem>

#include "engine/file.h"
#include "train/report/page.h"
#include "train/report/svg.h"

namespace mal {

namespace {

// A | inside a cell would end it.
std::string markdown_cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? "\\|" : std::string(1, c);
  return escaped;
}

std::string markdown_row(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + markdown_cell(cell) + " |";
  return row + "\n";
}

std::string html_row(const std::vector<std::string>& cells, const char* tag) {
  std::string row = "<tr>";
  for (const std::string& cell : cells) row += fmt::format("<{0}>{1}</{0}>", tag, escape_html(cell));
  return row + "</tr>\n";
}

void write_text(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace

std::string to_html(const ResultTable& table) {
  std::string html = fmt::format("<h2>{}</h2>\n<table>{}", escape_html(table.title), html_row(table.header, "th"));
  for (const std::vector<std::string>& row : table.rows) html += html_row(row, "td");
  html += "</table>\n";
  for (const std::string& note : table.notes) html += fmt::format("<p class=\"note\">{}</p>\n", escape_html(note));
  for (const std::string& warning : table.warnings)
    html += fmt::format("<p class=\"note\"><strong>Warning:</strong> {}</p>\n", escape_html(warning));
  for (const std::string& picture : table.pictures) html += fmt::format("<div class=\"picture\">{}</div>\n", picture);
  return html;
}

std::string to_markdown(const ResultTable& table) {
  std::string text = fmt::format("### {}\n\n{}|", table.title, markdown_row(table.header));
  for (std::size_t c = 0; c < table.header.size(); ++c) text += c == 0 ? "---|" : "---:|";
  text += "\n";
  for (const std::vector<std::string>& row : table.rows) text += markdown_row(row);
  for (const std::string& note : table.notes) text += "\n" + note + "\n";
  for (const std::string& warning : table.warnings) text += "\n**Warning:** " + warning + "\n";
  return text;
}

void write_results(const std::string& folder, const std::string& title, const std::vector<ResultTable>& tables) {
  std::filesystem::create_directories(folder + "/tables");
  std::string markdown, html;
  for (const ResultTable& table : tables) {
    const std::string text = to_markdown(table);
    write_text(fmt::format("{}/tables/{}.md", folder, table.id), text);
    write_text(fmt::format("{}/tables/{}.json", folder, table.id), table.json.dump(1) + "\n");
    markdown += (markdown.empty() ? "" : "\n") + text;
    html += to_html(table);
  }
  write_text(folder + "/report.md", markdown);
  write_text(folder + "/report.html", html_page(title, html));
}

}  // namespace mal
