"""What a sample consists of, and the schema file that MAL reads."""

from dataclasses import dataclass, field


@dataclass
class Column:
    name: str
    kind: str  # id, ids, sequence, scores, number, credit, group, weight
    table: str = ""
    length: int = 1
    side: str = "context"
    pooling: str = "sum"

    def has_table(self):
        return self.kind in ("id", "ids", "sequence")

    def has_length(self):
        return self.kind in ("ids", "sequence", "scores")


@dataclass
class Schema:
    name: str
    columns: list
    rows: dict = field(default_factory=dict)  # of each table, row 0 ("unseen") included

    def views(self):
        return [c.name for c in self.columns if c.kind == "credit"]

    def of_kind(self, *kinds):
        return [c for c in self.columns if c.kind in kinds]

    def yaml(self):
        lines = [f"name: {self.name}", "columns:"]
        for c in self.columns:
            keys = [f"name: {c.name}", f"kind: {c.kind}", f"side: {c.side}"]
            if c.has_length():
                keys.append(f"length: {c.length}")
            if c.kind == "ids":
                keys.append(f"pooling: {c.pooling}")
            if c.has_table():
                keys.append(f"table: {c.table}")
                if c.table == c.name:
                    keys.append(f"rows: {self.rows[c.table]}")
            lines.append("  - {" + ", ".join(keys) + "}")
        return "\n".join(lines) + "\n"


def id_column(name, table="", side="context"):
    return Column(name, "id", table or name, side=side)


def ids_column(name, length, table="", side="context", pooling="sum"):
    return Column(name, "ids", table or name, length, side, pooling)


def sequence(name, length, table=""):
    return Column(name, "sequence", table or name, length, "user")


def scores(name, length):
    return Column(name, "scores", "", length, "user")


def number(name):
    return Column(name, "number")


def credits(*names):
    return [Column(name, "credit") for name in names]


FOUR_VIEWS = ("last", "first", "linear", "mta")


def small(views=FOUR_VIEWS):
    """Every kind of column once or twice; a sequence with a target."""
    return Schema("small", [
        id_column("user", side="user"),
        id_column("item", side="ad"),
        ids_column("tags", 3, side="ad"),
        sequence("item_seq", 4, "item"),
        scores("image", 5),
        number("price"),
        number("age"),
        *credits(*views),
        Column("user_key", "group"),
    ], {"user": 6, "item": 8, "tags": 5})


def weighted(views=FOUR_VIEWS):
    """As small, with a weight of each row."""
    schema = small(views)
    return Schema("weighted", [*schema.columns, Column("weight", "weight")], schema.rows)


def shared():
    """Tables that several columns share, every pooling, sequences with and without a target, two score columns.

    `clicked` reads the item table and stands before `item`, but is no property of the ad: it is not the target."""
    return Schema("shared", [
        id_column("clicked", "item", side="user"),
        sequence("brand_seq", 3),
        id_column("item", side="ad"),
        ids_column("tags", 3, side="ad", pooling="mean"),
        ids_column("liked_tags", 4, "tags", side="user", pooling="sqrtn"),
        ids_column("words", 2, side="ad", pooling="sum"),
        sequence("item_seq", 4, "item"),
        scores("image", 5),
        sequence("old_item_seq", 2, "item"),
        scores("text", 3),
        number("price"),
        *credits(*FOUR_VIEWS),
    ], {"item": 8, "brand_seq": 4, "tags": 5, "words": 4})


def plain():
    """Single ids alone."""
    return Schema("plain", [id_column("user", side="user"), id_column("item", side="ad"), *credits(*FOUR_VIEWS)],
                  {"user": 6, "item": 8})


def mixed_order():
    """Kinds in an order that is not that of the trunk's concatenation."""
    return Schema("mixed_order", [
        number("price"),
        scores("image", 6),
        ids_column("tags", 3, side="ad"),
        id_column("item", side="ad"),
        *credits("last", "mta"),
    ], {"tags": 5, "item": 8})


def users_brand():
    """The table is named after a property of the user; the target is the ad's column that shares it."""
    return Schema("users_brand", [
        id_column("brand", side="user"),
        id_column("ad_brand", "brand", side="ad"),
        sequence("brand_seq", 3, "brand"),
        *credits("last", "mta"),
    ], {"brand": 8})


def many_values():
    """Tables with more rows than one byte can count."""
    return Schema("many_values", [
        id_column("user", side="user"),
        id_column("item", side="ad"),
        ids_column("tags", 9, side="ad", pooling="mean"),
        sequence("item_seq", 11, "item"),
        scores("image", 17),
        number("price"),
        *credits("last", "mta"),
    ], {"user": 40, "item": 300, "tags": 5})
