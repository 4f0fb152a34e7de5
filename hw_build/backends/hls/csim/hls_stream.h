// Stand-in for Vitis' hls_stream.h, C simulation only: FIFOs without an end, or of a capacity between functions that run
// beside each other.
//
// Outside of a `Dataflow` a read of an empty stream ends the program with a sentence. In a `Dataflow` each function is a
// coroutine: a read waits for a beat, a write for room. What the streams then carry does not depend on the order in which
// functions run, and neither does whether they stop: only the capacities decide. Where all wait, the smallest full stream
// is doubled, so that at the end every capacity is one with which the frames got through.
#ifndef EDGESEG_CSIM_HLS_STREAM_H
#define EDGESEG_CSIM_HLS_STREAM_H

#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace edgeseg_csim {

struct Function;

struct Fifo {
    std::string name;
    std::size_t capacity = SIZE_MAX;
    Function *reader = nullptr, *writer = nullptr;  // who waits
};

struct Function {
    std::function<void()> body;
    ucontext_t context;
    Fifo *full = nullptr, *empty = nullptr;  // what it waits for
    bool done = false;
};

class Dataflow {
  public:
    static Dataflow *&current() {
        static Dataflow *running = nullptr;
        return running;
    }

    void add(std::function<void()> body) {
        functions.emplace_back(new Function);
        Function &added = *functions.back();
        added.body = std::move(body);
        const std::size_t stack = std::size_t(16) << 20;  // taken as it is used
        void *memory = mmap(nullptr, stack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) fail("no memory for the stacks of the functions");
        getcontext(&added.context);
        added.context.uc_stack.ss_sp = memory;
        added.context.uc_stack.ss_size = stack;
        added.context.uc_link = &scheduler;
        makecontext(&added.context, reinterpret_cast<void (*)()>(&Dataflow::enter), 0);
        ready.push_back(&added);
    }

    void run() {
        current() = this;
        for (;;) {
            while (!ready.empty()) {
                active = ready.front();
                ready.pop_front();
                swapcontext(&scheduler, &active->context);
            }
            Fifo *smallest = nullptr, *starved = nullptr;
            for (const auto &function : functions) {
                Fifo *full = function->done ? nullptr : function->full;
                if (full && (!smallest || full->capacity < smallest->capacity)) smallest = full;
                if (!function->done && function->empty) starved = function->empty;
            }
            if (smallest) {
                smallest->capacity *= 2;
                wake(smallest->writer);
            } else if (starved) {
                fail("stream " + starved->name + " is read while empty");
            } else {
                break;
            }
        }
        current() = nullptr;
    }

    void wait_for_beat(Fifo &fifo) {
        active->empty = &fifo;
        fifo.reader = active;
        swapcontext(&active->context, &scheduler);
    }
    void wait_for_room(Fifo &fifo) {
        active->full = &fifo;
        fifo.writer = active;
        swapcontext(&active->context, &scheduler);
    }
    void wake(Function *&waiting) {
        if (!waiting) return;
        waiting->full = waiting->empty = nullptr;
        ready.push_back(waiting);
        waiting = nullptr;
    }

    [[noreturn]] static void fail(const std::string &why) {
        fprintf(stderr, "%s\n", why.c_str());
        exit(1);
    }

  private:
    static void enter() {
        Function *own = current()->active;
        own->body();
        own->done = true;
    }

    std::vector<std::unique_ptr<Function>> functions;
    std::deque<Function *> ready;
    ucontext_t scheduler;
    Function *active = nullptr;
};

}  // namespace edgeseg_csim

namespace hls {

template <typename T>
class stream {
  public:
    stream() { fifo.name = "without a name"; }
    explicit stream(const char *name) { fifo.name = name; }
    stream(const stream &) = delete;
    stream &operator=(const stream &) = delete;

    bool empty() const { return beats.empty(); }

    T read() {
        while (beats.empty()) {
            if (!edgeseg_csim::Dataflow::current())
                edgeseg_csim::Dataflow::fail("stream " + fifo.name + " is read while empty");
            edgeseg_csim::Dataflow::current()->wait_for_beat(fifo);
        }
        T beat = beats.front();
        beats.pop_front();
        if (fifo.writer) edgeseg_csim::Dataflow::current()->wake(fifo.writer);
        return beat;
    }
    void write(const T &beat) {
        while (beats.size() >= fifo.capacity) edgeseg_csim::Dataflow::current()->wait_for_room(fifo);
        beats.push_back(beat);
        if (fifo.reader) edgeseg_csim::Dataflow::current()->wake(fifo.reader);
    }

    edgeseg_csim::Fifo fifo;

  private:
    std::deque<T> beats;
};

}  // namespace hls

#endif
