/* A model server that costs next to nothing: what it answers is fixed, only when it answers is chosen.
 *
 *   upstream PORT EVENTS GAP_US [FIRST_US [ANSWER_BYTES]]
 *
 * POST with "stream":true: EVENTS tokens, the first after FIRST_US microseconds, then one every GAP_US, each of them
 * written alone and in a chunk of its own, then the end of the dialect. Any other POST: one JSON answer, of ANSWER_BYTES
 * if that is more than it has (its text is longer then). Paths that begin with /api/chat are answered as Ollama does, all others as OpenAI does. GET: 200, for health checks.
 * EVENTS=1 with a GAP_US of an hour is a stream that stays open and silent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
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

#define MAX_FD 70000

typedef struct {
    char *data;
    size_t len, cap;
} Buffer;

typedef struct {
    int fd;
    Buffer in, out;
    size_t written;   /* bytes of out that the socket has taken */
    bool ollama, streaming;
    long sent, due;   /* tokens so far; when the next one is to be sent, in microseconds */
} Conn;

static Conn *conns[MAX_FD];
static int streams[MAX_FD], n_streams; /* descriptors of running streams */
static int ep;
static long events, gap, first;
static const char *answers[2]; /* OpenAI's and Ollama's */

static const char openai_answer[] =
    "{\"id\":\"chatcmpl-AzXq7PbTn2\",\"object\":\"chat.completion\",\"created\":1741569952,\"model\":\"gpt-4o-2024-08-06\","
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"The printing press spread from Mainz "
    "to more than two hundred towns within fifty years.\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,"
    "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":31,\"completion_tokens\":17,\"total_tokens\":48,"
    "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":"
    "{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}},"
    "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_50cad350e4\"}";
#define OPENAI_CHUNK                                                                                         \
    "data: {\"id\":\"chatcmpl-AzXq7PbTn2\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,"     \
    "\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_50cad350e4\"," \
    "\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}\n\n"
#define OLLAMA_HEAD "{\"model\":\"llama3.2\",\"created_at\":\"2025-03-10T01:25:52.184512345Z\",\"message\":"
#define OLLAMA_END                                                                                           \
    "\"done_reason\":\"stop\",\"done\":true,\"total_duration\":1883583458,\"load_duration\":1334875,"        \
    "\"prompt_eval_count\":31,\"prompt_eval_duration\":342546000,\"eval_count\":17,\"eval_duration\":1535599000}\n"
static const char ollama_answer[] =
    OLLAMA_HEAD "{\"role\":\"assistant\",\"content\":\"The printing press spread from Mainz to more than two hundred "
                "towns within fifty years.\"}," OLLAMA_END;

static long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void append(Buffer *b, const char *data, size_t n) {
    if (b->len + n > b->cap) {
        b->cap = (b->len + n) * 2;
        b->data = realloc(b->data, b->cap);
    }
    memcpy(b->data + b->len, data, n);
    b->len += n;
}

static void chunk(Conn *c, const char *data, size_t n) {
    char size[32];
    append(&c->out, size, (size_t)sprintf(size, "%zx\r\n", n));
    append(&c->out, data, n);
    append(&c->out, "\r\n", 2);
}

static void watch(Conn *c, uint32_t what) {
    struct epoll_event e = {.events = what, .data.fd = c->fd};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}

/* Write what is there. 1: all of it, 0: the peer does not read, -1: the connection is dead. */
static int flush(Conn *c) {
    while (c->written < c->out.len) {
        ssize_t n = write(c->fd, c->out.data + c->written, c->out.len - c->written);
        if (n < 0) {
            if (errno != EAGAIN) return -1;
            watch(c, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
            return 0;
        }
        c->written += (size_t)n;
    }
    c->out.len = c->written = 0;
    return 1;
}

/* The answer with so much more text that it has WANTED bytes. */
static const char *lengthened(const char *answer, size_t wanted) {
    size_t length = strlen(answer);
    if (length >= wanted) return answer;
    const char *text = strstr(answer, "The printing press");
    char *made = malloc(wanted + 1);
    size_t before = (size_t)(text - answer), more = wanted - length;
    memcpy(made, answer, before);
    for (size_t i = 0; i < more; i++) made[before + i] = i % 6 == 5 ? ' ' : 'a' + (char)(i % 26);
    memcpy(made + before + more, text, length - before + 1);
    return made;
}

static void drop(Conn *c) {
    conns[c->fd] = NULL;
    close(c->fd);
    free(c->in.data);
    free(c->out.data);
    free(c);
}

static void token(Conn *c) {
    char delta[64], text[1024];
    int n;
    if (c->ollama)
        n = sprintf(text, OLLAMA_HEAD "{\"role\":\"assistant\",\"content\":\" tok%ld\"},\"done\":false}\n", c->sent);
    else {
        sprintf(delta, "\"content\":\" tok%ld\"", c->sent);
        n = sprintf(text, OPENAI_CHUNK, delta, "null");
    }
    chunk(c, text, (size_t)n);
}

static void ending(Conn *c) {
    char text[1024];
    int n = c->ollama ? sprintf(text, OLLAMA_HEAD "{\"role\":\"assistant\",\"content\":\"\"}," OLLAMA_END)
                      : sprintf(text, OPENAI_CHUNK "data: [DONE]\n\n", "", "\"stop\"");
    chunk(c, text, (size_t)n);
    append(&c->out, "0\r\n\r\n", 5);
}

/* Send the tokens that are due. -1: the connection is dead. */
static int pump(Conn *c, long now) {
    while (c->streaming && now >= c->due) {
        if (c->sent < events) {
            token(c);
            c->sent++;
            c->due += gap;
        } else {
            ending(c);
            c->streaming = false;
        }
        int wrote = flush(c);
        if (wrote <= 0) return wrote;
    }
    return 0;
}

/* Answer one request of c->in, if it is complete. 1: done, 0: not complete. */
static int answer(Conn *c) {
    char *end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    *end = 0;
    size_t head = (size_t)(end - c->in.data) + 4, length = 0;
    char *field = strcasestr(c->in.data, "\r\ncontent-length:");
    if (field != NULL) length = strtoul(field + 17, NULL, 10);
    *end = '\r';
    if (c->in.len < head + length) return 0;
    const char *body = c->in.data + head;
    bool stream = memmem(body, length, "\"stream\":true", 13) || memmem(body, length, "\"stream\": true", 14);
    c->ollama = strncmp(c->in.data, "POST /api/chat", 14) == 0;
    char text[256];
    if (stream) {
        int n = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
                        c->ollama ? "application/x-ndjson" : "text/event-stream; charset=utf-8");
        append(&c->out, text, (size_t)n);
        c->streaming = true;
        c->sent = 0;
        c->due = now_us() + first;
        streams[n_streams++] = c->fd;
    } else {
        const char *what = answers[c->ollama];
        int n = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                        strlen(what));
        append(&c->out, text, (size_t)n);
        append(&c->out, what, strlen(what));
    }
    memmove(c->in.data, c->in.data + head + length, c->in.len - head - length);
    c->in.len -= head + length;
    return 1;
}

/* Read, and answer what is complete. -1: the connection is dead. */
static int receive(Conn *c) {
    char data[65536];
    ssize_t n = read(c->fd, data, sizeof data);
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    if (n == 0) return -1;
    append(&c->in, data, (size_t)n);
    while (!c->streaming && answer(c)) {
    }
    return flush(c) < 0 ? -1 : 0;
}

static void take(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        Conn *c = conns[fd] = calloc(1, sizeof *c);
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
}

/* Serve the running streams; the result is when the next token is due. */
static long pump_all(long now) {
    long next = LONG_MAX;
    int kept = 0;
    for (int i = 0; i < n_streams; i++) {
        Conn *c = conns[streams[i]];
        if (c == NULL || !c->streaming) continue;
        if (c->out.len == 0 && pump(c, now) < 0) {
            drop(c);
            continue;
        }
        if (!c->streaming) continue;
        streams[kept++] = streams[i];
        if (c->out.len == 0 && c->due < next) next = c->due;
    }
    n_streams = kept;
    return next;
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "usage: upstream PORT EVENTS GAP_US [FIRST_US [ANSWER_BYTES]]\n"), 2;
    events = atol(argv[2]), gap = atol(argv[3]), first = argc > 4 ? atol(argv[4]) : 0;
    size_t wanted = argc > 5 ? (size_t)atol(argv[5]) : 0;
    answers[0] = lengthened(openai_answer, wanted), answers[1] = lengthened(ollama_answer, wanted);
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(argv[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&at, sizeof at) || listen(listener, 8192)) return perror("upstream"), 1;
    ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[1024];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        long next = pump_all(now_us()), wait = next == LONG_MAX ? 1000 : (next - now_us() + 999) / 1000;
        int n = epoll_wait(ep, ready, 1024, wait < 0 ? 0 : wait > 1000 ? 1000 : (int)wait);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            Conn *c = conns[fd];
            bool dead = false;
            if (fd == listener)
                take(listener);
            else if (c != NULL) {
                if (ready[i].events & EPOLLOUT) {
                    watch(c, EPOLLIN | EPOLLRDHUP);
                    dead = flush(c) < 0;
                }
                if (!dead && (ready[i].events & ~(uint32_t)EPOLLOUT)) dead = receive(c) < 0;
                if (dead) drop(c);
            }
        }
    }
}
