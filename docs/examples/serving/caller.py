"""Calls the C interface from Python, with nothing but ctypes.
    python3 caller.py ./libmal_infer_c.so model.mal user=u17 ad_item=4 ..."""

import ctypes
import sys


class Model:
    def __init__(self, library, path):
        self.c = ctypes.CDLL(library)
        self.c.mal_last_error.restype = ctypes.c_char_p
        self.handle = ctypes.c_uint64()
        self.must(self.c.mal_model_load(path.encode(), 1, ctypes.byref(self.handle)))

    def must(self, code):
        if code != 0:
            raise RuntimeError(self.c.mal_last_error().decode())

    def made(self, function):
        handle = ctypes.c_uint64()
        self.must(function(self.handle, ctypes.byref(handle)))
        return handle

    def features(self, values):
        """values: column name to text, whole number, or list of ids or of floats."""
        row = self.made(self.c.mal_features_new)
        for name, value in values.items():
            column = ctypes.c_int()
            self.must(self.c.mal_model_column(self.handle, name.encode(), ctypes.byref(column)))
            text = "|".join(map(str, value)) if isinstance(value, list) else str(value)
            data = text.encode()
            self.must(self.c.mal_features_set_text(row, column, data, ctypes.c_size_t(len(data))))
        return row

    def predict(self, user, ads):
        """The probability of the primary view for each ad of one user."""
        scorer = self.made(self.c.mal_scorer_new)  # keep it, one a thread, where speed matters
        handles = [self.features(ad) for ad in ads]
        out = (ctypes.c_float * len(ads))()
        request = self.features(user)
        self.must(self.c.mal_scorer_set_user(scorer, request))
        array = (ctypes.c_uint64 * len(ads))(*[h.value for h in handles])
        self.must(self.c.mal_scorer_predict(scorer, array, ctypes.c_size_t(len(ads)), out))
        for handle in handles + [request]:
            self.c.mal_features_close(handle)
        self.c.mal_scorer_close(scorer)
        return list(out)


if __name__ == "__main__":
    model = Model(sys.argv[1], sys.argv[2])
    row = dict(argument.split("=", 1) for argument in sys.argv[3:])
    user = {name: row.pop(name) for name in list(row) if name.startswith("user")}
    print("%.9g" % model.predict(user, [row])[0])
