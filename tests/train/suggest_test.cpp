#include "train/config/suggest.h"

#include <catch2/catch.hpp>

namespace mal {

namespace {
const std::vector<std::string> kSuggestKeys = {"attention", "batch_size", "epochs", "log_every", "lr", "l1", "l2"};
}

TEST_CASE("the nearest name is found across each kind of slip") {
  CHECK(nearest("attention", kSuggestKeys) == "attention");
  CHECK(nearest("atention", kSuggestKeys) == "attention");    // a letter left out
  CHECK(nearest("attenttion", kSuggestKeys) == "attention");  // one too many
  CHECK(nearest("attemtion", kSuggestKeys) == "attention");   // a wrong one
  CHECK(nearest("attnetion", kSuggestKeys) == "attention");   // two swapped
  CHECK(nearest("ATTENTION", kSuggestKeys) == "attention");
  CHECK(nearest("batchsize", kSuggestKeys) == "batch_size");
  CHECK(nearest("epoch", kSuggestKeys) == "epochs");
  CHECK(nearest("rl", kSuggestKeys) == "lr");  // one swap, though both letters are elsewhere
}

TEST_CASE("nothing is suggested for a word that is far from all") {
  CHECK(nearest("optimizer", kSuggestKeys).empty());
  CHECK(nearest("zz", kSuggestKeys).empty());
  CHECK(nearest("", kSuggestKeys).empty());
  CHECK(nearest("a", {}).empty());
  CHECK(nearest("x", {"y"}).empty());  // any letter is one slip from any other
  CHECK(nearest(std::string(100'000, 'a'), {std::string(100'000, 'a')}).empty());
}

TEST_CASE("the fewest slips win, then the first candidate") {
  CHECK(nearest("linearr", {"linxarx", "linear"}) == "linear");
  CHECK(nearest("l3", {"l1", "l2"}) == "l1");
}

TEST_CASE("a suggestion falls back to what there is") {
  CHECK(suggestion("atention", kSuggestKeys, "valid keys") == "; did you mean 'attention'?");
  CHECK(suggestion("optimizer", {"seed", "name"}, "valid keys") == "; valid keys: seed, name");
  CHECK(suggestion("optimizer", {}, "valid keys").empty());
}

}  // namespace mal
