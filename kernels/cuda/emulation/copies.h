// Copies that a thread asks for and waits for (support/copy.h). They are made when it waits, so that a missing wait
// shows: what should have been copied is still poison.
#pragma once

namespace mal::emulation {

void begin_copies();  // none is waited for
void copy_later(float* to, const float* from, int floats);
void commit_copies();
void finish_copies(bool last_too);  // not those between the last two commits

}  // namespace mal::emulation
