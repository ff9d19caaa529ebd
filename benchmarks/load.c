/* Clients: keep-alive connections to one address, each sending its next request when the last is answered.
 *
 *   load PORT PATH BODY_FILE EVENTS CONNECTIONS REQUESTS [RAMP_MS [RATE]]
 *
 * Each connection sends REQUESTS requests. The connections begin spread evenly over RAMP_MS; with RATE, all of them
 * together send so many requests a second at most. Prints one line of JSON: what was done, and the distribution of
 * the time from sending a request to the first byte of its body ("first") and to its end ("whole"), in microseconds.
 * Every answer must be a complete 200; with EVENTS it must be a stream of exactly so many events, the last of them
 * [DONE]. Anything else counts as an error, and what was not answered for STALLED seconds too.
 *
 * REQUESTS=0 holds streams: each connection sends one request and reads on for ever. Prints "held" when all of them
 * have had their first bytes, then for each byte on standard input how many events all of them have had so far, and ends
 * when that ends; status 1 if one of them ended before.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 8192
#define STALLED 30
#define TAIL "data: [DONE]\n\n"
#define TAIL_LEN (sizeof TAIL - 1)

typedef enum { HEAD, LENGTH, SIZE, DATA, AFTER, TRAILER } State;

typedef struct {
    int fd;
    bool busy, ok, events, newline; /* newline: the last byte was one */
    State state;
    char head[HEAD_MAX], tail[TAIL_LEN];
    size_t head_len, tail_len;
    long left;            /* bytes of the body or of this chunk; while in SIZE, what was read of the size */
    long start, sent_at, first_at, done, seen;
} Conn;

static Conn *conns;
static int ep, port, n_conns, per_conn;
static long expected;
static char *request;
static size_t request_len;
static long finished, errors, held, body_bytes, all_events;
static unsigned *whole, *to_first;

static long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* The answer is over, well or badly. */
static void conclude(Conn *c, bool well) {
    if (expected && !(c->events && c->seen == expected && c->tail_len == TAIL_LEN &&
                      memcmp(c->tail, TAIL, TAIL_LEN) == 0))
        well = false;
    long now = now_us();
    errors += !well;
    whole[finished] = (unsigned)(now - c->sent_at);
    to_first[finished++] = (unsigned)((c->first_at ? c->first_at : now) - c->sent_at);
    c->busy = false;
    c->done++;
}

static bool open_conn(Conn *c) {
    int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (void *)&to, sizeof to)) {
        close(c->fd);
        c->fd = -1;
        return false;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
    return true;
}

/* Send the next request; one that cannot be sent has failed, and the next one takes its turn. */
static void send_request(Conn *c) {
    do {
        c->busy = true, c->ok = c->events = c->newline = false;
        c->state = HEAD, c->head_len = c->tail_len = 0, c->first_at = c->seen = 0;
        c->sent_at = now_us();
        if ((c->fd >= 0 || open_conn(c)) && write(c->fd, request, request_len) == (ssize_t)request_len) return;
        if (c->fd >= 0) close(c->fd);
        c->fd = -1;
        conclude(c, false);
    } while (c->done < per_conn);
}

static void lost(Conn *c) {
    close(c->fd);
    c->fd = -1;
    if (c->busy) conclude(c, false);
}

/* How many events end in these bytes: each blank line ends one. */
static long ended(Conn *c, const char *data, size_t n) {
    long found = 0;
    const char *end = data + n, *after_newline = c->newline ? data : NULL;
    for (const char *p = data; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++) {
        if (p == after_newline) {
            found++;
            after_newline = NULL;
        } else
            after_newline = p + 1;
    }
    c->newline = after_newline == end;
    return found;
}

static void body(Conn *c, const char *data, size_t n) {
    if (!c->first_at) {
        c->first_at = now_us();
        held++;
    }
    if (n == 0) return;
    body_bytes += (long)n;
    if (c->events) {
        long more = ended(c, data, n);
        c->seen += more;
        all_events += more;
    }
    if (n >= TAIL_LEN) {
        memcpy(c->tail, data + n - TAIL_LEN, TAIL_LEN);
        c->tail_len = TAIL_LEN;
        return;
    }
    size_t keep = c->tail_len + n > TAIL_LEN ? TAIL_LEN - n : c->tail_len;
    memmove(c->tail, c->tail + c->tail_len - keep, keep);
    memcpy(c->tail + keep, data, n);
    c->tail_len = keep + n;
}

/* The head is complete: what follows it? */
static void judge(Conn *c) {
    c->ok = strncmp(c->head, "HTTP/1.1 200", 12) == 0;
    c->events = c->ok && strcasestr(c->head, "\r\ncontent-type: text/event-stream") != NULL;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->left = length != NULL ? atol(length + 17) : 0;
    c->state = length != NULL ? LENGTH : SIZE;
}

static const char *head(Conn *c, const char *p, const char *end) {
    size_t n = (size_t)(end - p), old = c->head_len;
    if (n > HEAD_MAX - 1 - old) n = HEAD_MAX - 1 - old;
    memcpy(c->head + old, p, n);
    c->head_len += n;
    char *stop = memmem(c->head, c->head_len, "\r\n\r\n", 4);
    if (stop == NULL) {
        if (c->head_len == HEAD_MAX - 1) die("a head that is too large");
        return end;
    }
    stop[2] = 0;
    judge(c);
    return p + (size_t)(stop + 4 - c->head) - old;
}

static void receive(Conn *c, const char *p, const char *end) {
    while (p < end && c->busy) {
        size_t n = (size_t)(end - p);
        if (c->state == HEAD) {
            p = head(c, p, end);
            if (c->state == LENGTH && c->left == 0) conclude(c, c->ok);
        } else if (c->state == LENGTH || c->state == DATA) {
            if ((long)n > c->left) n = (size_t)c->left;
            body(c, p, n);
            p += n;
            c->left -= (long)n;
            if (c->left == 0) {
                if (c->state == LENGTH)
                    conclude(c, c->ok);
                else
                    c->state = AFTER;
            }
        } else if (c->state == SIZE) {
            char x = *p++;
            if (x == '\n')
                c->state = c->left ? DATA : TRAILER;
            else if (x != '\r')
                c->left = c->left * 16 + (x <= '9' ? x - '0' : (x | 32) - 'a' + 10);
        } else if (*p++ == '\n') { /* after a chunk, or after the last of them */
            if (c->state == TRAILER)
                conclude(c, c->ok);
            else
                c->state = SIZE;
        }
    }
}

static int ascending(const void *a, const void *b) {
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

static void print(const char *name, unsigned *values) {
    qsort(values, (size_t)finished, sizeof *values, ascending);
    printf(", \"%s\": {\"p50\": %u, \"p90\": %u, \"p99\": %u, \"max\": %u}", name, values[finished / 2],
           values[finished * 9 / 10], values[finished * 99 / 100], values[finished - 1]);
}

static void read_request(const char *path, const char *file) {
    char data[65536];
    FILE *f = fopen(file, "rb");
    if (f == NULL) die(file);
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    int head_len = asprintf(&request,
                            "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                            "Authorization: Bearer none\r\nContent-Length: %zu\r\n\r\n",
                            path, port, n);
    request_len = (size_t)head_len + n;
    request = realloc(request, request_len);
    memcpy(request + head_len, data, n);
}

int main(int argc, char **argv) {
    if (argc < 7)
        return fprintf(stderr, "usage: load PORT PATH BODY_FILE EVENTS CONNECTIONS REQUESTS [RAMP_MS [RATE]]\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    port = atoi(argv[1]), expected = atol(argv[4]), n_conns = atoi(argv[5]), per_conn = atoi(argv[6]);
    long ramp = argc > 7 ? atol(argv[7]) * 1000 : 0, rate = argc > 8 ? atol(argv[8]) : 0;
    long period = rate ? n_conns * 1000000L / rate : 0, wanted = (long)n_conns * per_conn;
    if (rate && ramp < period) ramp = period;
    bool hold = per_conn == 0;
    read_request(argv[2], argv[3]);
    whole = calloc((size_t)(wanted + n_conns), sizeof *whole);
    to_first = calloc((size_t)(wanted + n_conns), sizeof *to_first);
    conns = calloc((size_t)n_conns, sizeof *conns);
    ep = epoll_create1(0);
    long begin = now_us();
    for (int i = 0; i < n_conns; i++) conns[i].fd = -1, conns[i].start = begin + ramp * i / n_conns;
    if (hold) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
        epoll_ctl(ep, EPOLL_CTL_ADD, 0, &e);
    }
    static char data[1 << 18];
    struct epoll_event ready[512];
    int begun = 0;
    bool told = false;
    long heard = begin; /* when anything came last */
    while (hold ? !errors : finished < wanted) {
        long now = now_us();
        /* A new one for each: those that begin, and those whose turn it is again. */
        while (begun < n_conns && conns[begun].start <= now) send_request(&conns[begun++]);
        if (rate)
            for (int i = 0; i < begun; i++) {
                Conn *c = &conns[i];
                if (!c->busy && c->done < per_conn && c->start + c->done * period <= now) send_request(c);
            }
        int n = epoll_wait(ep, ready, 512, rate || begun < n_conns ? 1 : 100);
        if (n > 0) heard = now_us();
        if (!told && now_us() - heard > STALLED * 1000000L) {
            if (hold) return fprintf(stderr, "only %ld streams have begun\n", held), 1;
            for (; finished < wanted; finished++) whole[finished] = to_first[finished] = (unsigned)(now - heard), errors++;
        }
        for (int i = 0; i < n; i++) {
            Conn *c = ready[i].data.ptr;
            if (c == NULL) { /* standard input */
                char asked;
                if (read(0, &asked, 1) <= 0) return 0;
                printf("%ld\n", all_events);
                fflush(stdout);
                continue;
            }
            ssize_t got = recv(c->fd, data, sizeof data, MSG_DONTWAIT);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0)
                lost(c);
            else
                receive(c, data, data + got);
            if (!rate && !hold && !c->busy && c->done < per_conn) send_request(c);
        }
        if (hold && !told && held == n_conns) {
            puts("held");
            fflush(stdout);
            told = true;
        }
    }
    if (hold) return fprintf(stderr, "a stream that was to be held has ended\n"), 1;
    double seconds = (double)(now_us() - begin) / 1e6;
    printf("{\"requests\": %ld, \"errors\": %ld, \"seconds\": %.3f, \"bytes\": %ld", finished, errors, seconds, body_bytes);
    print("first", to_first);
    print("whole", whole);
    puts("}");
    return 0;
}
