// Journeys that the input already names: a row a touch, with its journey and whether that journey converted. The time
// of the conversion is not known; it is taken to be the last touch's.
#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "train/attribution/click_sink.h"
#include "train/attribution/read_clicks.h"

namespace mal {

namespace {

ColumnNames journey_names(const AttributeOptions& options) {
  ColumnNames names;
  names.user = name_or(options.user, "user");
  names.time = name_or(options.time, "timestamp");
  names.key = name_or(options.key, "campaign");
  names.channel = options.channel;
  // The position in the journey and its length are known only when the journey is over.
  names.hidden = {name_or(options.journey, "journey"), name_or(options.conversion, "conversion"), "pos", "n_touch",
                  "cpo"};
  return names;
}

struct NamedJourney {
  std::uint32_t user = 0;
  bool converted = false;
  std::int64_t last_touch = 0;
  std::uint32_t touches = 0;  // left after --from, --to and --truncate
};

class JourneyReader {
 public:
  JourneyReader(const AttributeOptions& options, ClickLog& log, RowSpool& spool)
      : options_(options), log_(log), sink_(options, journey_names(options), log, spool) {}

  void read(const std::string& path, const ReadProgress& progress) {
    TextTable table(path, {.columns = options_.columns});
    sink_.open(table);
    const int journey = table.require(name_or(options_.journey, "journey"));
    const int conversion = table.require(name_or(options_.conversion, "conversion"));
    while (table.next()) {
      if (time_to_report(++log_.rows)) progress(table);
      const std::uint32_t user = sink_.user(table);
      const std::uint32_t group = join(table, user, journey, conversion);
      const std::optional<std::int64_t> time = sink_.time(table);
      if (!time) {
        ++log_.skipped_rows;
        continue;
      }
      sink_.add(table, *time, user, group);
      ++journeys_[group].touches;
    }
    names_.clear_after_file();
  }

  std::vector<std::string> finish() {
    if (log_.rows == 0) fail("{}: there are no rows, only a header", file_list(options_.inputs));
    if (log_.size() == 0) fail("{}: no touch among {} rows", file_list(options_.inputs), log_.rows);
    if (options_.truncate > 0) truncate();
    for (std::uint32_t group = 0; group < journeys_.size(); ++group)
      if (journeys_[group].converted && journeys_[group].touches > 0 && sink_.before_end(journeys_[group].last_touch))
        log_.conversions.push_back({journeys_[group].last_touch, group});
    log_.groups = static_cast<std::uint32_t>(journeys_.size());
    return sink_.columns();
  }

 private:
  // Journey names count within one file: two files may both have a journey 0.
  struct FileNames {
    Interner names;
    std::uint32_t first = 0;
    void clear_after_file() {
      first += names.size();
      names = Interner();
    }
  };

  // Touches outside --from … --to count here: they tell when the journey ended.
  std::uint32_t join(const TextTable& table, std::uint32_t user, int journey, int conversion) {
    const std::int64_t time = sink_.any_time(table);
    const std::string_view flag = table.field(conversion);
    if (flag != "0" && flag != "1") fail("{}: '{}' where 0 or 1 is wanted", table.where(conversion), flag);
    const std::uint32_t group = names_.first + names_.names.intern(checked_name(table, journey));
    if (group == journeys_.size()) journeys_.push_back({user, flag == "1", time, 0});
    NamedJourney& known = journeys_[group];
    if (known.user != user)
      fail("{}: journey '{}' belongs to user '{}' here and to user '{}' before; a journey has one user",
           table.where(journey), table.field(journey), log_.users.name(user), log_.users.name(known.user));
    if (known.converted != (flag == "1"))
      fail("{}: journey '{}' has both 0 and 1; all rows of a journey say how it ended", table.where(conversion),
           table.field(journey));
    known.last_touch = std::max(known.last_touch, time);
    return group;
  }

  // In data where converting journeys reach back further than others, the length tells the label. So all are cut to the
  // same span, and those left with one touch go, whether they converted or not.
  void truncate() {
    for (NamedJourney& journey : journeys_) journey.touches = 0;
    const auto in_span = [this](std::size_t click) {
      return log_.time[click] >= journeys_[log_.group[click]].last_touch - options_.truncate;
    };
    for (std::size_t click = 0; click < log_.size(); ++click)
      if (in_span(click)) ++journeys_[log_.group[click]].touches;
    for (NamedJourney& journey : journeys_)
      if (journey.touches < 2) journey.touches = 0;
    std::vector<bool> keep(log_.size());
    for (std::size_t click = 0; click < log_.size(); ++click)
      keep[click] = in_span(click) && journeys_[log_.group[click]].touches > 0;
    log_.dropped_touches = log_.keep_only(keep);
    if (log_.size() == 0)
      fail("{}: --truncate leaves no journey of two touches; give a longer time", file_list(options_.inputs));
  }

  const AttributeOptions& options_;
  ClickLog& log_;
  ClickSink sink_;
  FileNames names_;
  std::vector<NamedJourney> journeys_;  // by group
};

}  // namespace

std::vector<std::string> read_journeys(const AttributeOptions& options, ClickLog& log, RowSpool& spool,
                                       const ReadProgress& progress) {
  JourneyReader reader(options, log, spool);
  for (const std::string& path : options.inputs) reader.read(path, progress);
  return reader.finish();
}

}  // namespace mal
