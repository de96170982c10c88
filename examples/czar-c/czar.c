/* A czar in C: how one query of a czar that is not written in Go uses the agent. docs/AGENT.md explains it.
 *
 *	gcc -o czar czar.c
 *	seq 100 | ./czar /run/css-sync/agent.sock lsst.Object,lsst.Source
 *
 * Standard input has the numbers of the chunks, a line each; "sent" stands for sending the chunk query. It exits with 0
 * when all were sent, 1 when the query had to end, 2 when it was not admitted, 3 when it could not begin.
 *
 * There is no JSON library here: what is looked for in answers are names and texts without anything to be unescaped. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strcasestr */
#endif
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { done = 0, ended = 1, refused = 2, broken = 3 };

static const char *socket_path;
static const struct timeval patience = {.tv_sec = 5}; /* an answer that comes later may not be true any more */
static int asking = -1;     /* the connection for questions, which is used again and again */
static char answer[1 << 20]; /* the last answer: its head, and its body after an empty line */
static char token[64];

/* dial connects to the agent. A child must not inherit the connection: it would keep the session when we are dead. */
static int dial(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(socket_path) >= sizeof to.sun_path)
		return -1;
	strcpy(to.sun_path, socket_path);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	close(fd);
	return -1;
}

static int send_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

/* receive reads one answer, the head alone if only_head, and returns its status, or -1 when the connection ended. */
static int receive(int fd, int only_head)
{
	size_t have = 0;

	while (have + 1 < sizeof answer) {
		/* of the head of a session byte by byte, since events come behind it */
		ssize_t n = read(fd, answer + have, only_head ? 1 : sizeof answer - 1 - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		have += (size_t)n;
		answer[have] = 0;
		char *body = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "\r\nContent-Length:");
		if (!body)
			continue;
		size_t want = (size_t)(body + 4 - answer);
		if (!only_head && length && length < body)
			want += strtoul(length + 17, NULL, 10);
		if (have >= want)
			return atoi(answer + strlen("HTTP/1.1 "));
	}
	return -1; /* it is larger than anything that we ask for */
}

/* ask asks the agent, and returns the status of its answer; -1 when there is no agent. */
static int ask(const char *method, const char *path, const char *body)
{
	static char question[1 << 16];
	int n = snprintf(question, sizeof question, "%s %s HTTP/1.1\r\nHost: css\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n%s", method, path, strlen(body), body);

	if (n < 0 || (size_t)n >= sizeof question)
		return -1;
	for (int again = 0; again < 2; again++) {
		int kept = asking >= 0, status = -1;
		if (!kept && (asking = dial()) < 0)
			return -1;
		setsockopt(asking, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		if (send_all(asking, question) == 0)
			status = receive(asking, 0);
		if (status >= 0)
			return status;
		close(asking);
		asking = -1;
		/* The agent is gone, or was stopped. What is asked again must do no harm twice: an admission that was lost with
		 * the agent kept nothing, and one of an agent that lives ends with the session. */
		if (!kept)
			return -1;
	}
	return -1;
}

/* text finds the text of a member of the answer. */
static const char *text(const char *name, char *into, size_t size)
{
	char key[64];
	snprintf(key, sizeof key, "\"%s\":\"", name);
	char *at = strstr(answer, key);

	snprintf(into, size, "%.*s", at ? (int)strcspn(at + strlen(key), "\"") : 0, at ? at + strlen(key) : "");
	return into;
}

/* say prints a line at once. */
static void say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	puts("");
	fflush(stdout);
}

/* open_session begins a session, which lives as long as the connection that it returns. With HTTP/1.0 its events come
 * as they are, without chunks around them. A czar has one session for all its queries. */
static int open_session(char *name, size_t size)
{
	int fd = dial();
	if (fd < 0 || send_all(fd, "POST /v1/sessions HTTP/1.0\r\nHost: css\r\n\r\n") < 0 || receive(fd, 1) != 200)
		return -1;
	char *at = strcasestr(answer, "\r\nCss-Session: ");
	if (!at)
		return -1;
	snprintf(name, size, "%.*s", (int)strcspn(at + 15, "\r"), at + 15);
	return fd;
}

/* admit admits the query on all its tables at once. The answer has what it is planned with. */
static int admit(const char *session, char *tables)
{
	static char body[1 << 15];
	char code[64];
	size_t n = (size_t)snprintf(body, sizeof body, "{\"session\":\"%s\",\"tables\":[", session);

	for (char *t = strtok(tables, ","); t && n < sizeof body - 300; t = strtok(NULL, ","))
		n += (size_t)snprintf(body + n, sizeof body - n, "%s\"%.200s\"", body[n - 1] == '[' ? "" : ",", t);
	snprintf(body + n, sizeof body - n, "]}");
	int status = ask("POST", "/v1/queries", body);
	if (status == 201) {
		say("admitted %s", text("token", token, sizeof token));
		return done;
	}
	say("not admitted: %s", status < 0 ? "no agent" : text("code", code, sizeof code));
	return refused;
}

/* may_dispatch asks right before each chunk query. Only 204 lets it be sent. */
static int may_dispatch(const char *chunk)
{
	char path[128], code[64];
	snprintf(path, sizeof path, "/v1/queries/%s/may-dispatch", token);
	int status = ask("POST", path, "");

	if (status == 204) {
		say("chunk %s sent", chunk);
		return done;
	}
	text("code", code, sizeof code);
	say("chunk %s not sent: %s", chunk, status < 0 ? "no agent" : code);
	/* Without an agent, and while it has no word from etcd, the chunk query can wait. Otherwise the query has to end. */
	return status < 0 || strcmp(code, "stale") == 0 ? done : ended;
}

/* run sends the chunk queries until the input ends, or the query has to. */
static int run(int session)
{
	static char input[1 << 12], events[1 << 12];
	size_t have = 0;
	struct pollfd on[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = session, .events = POLLIN}};

	for (;;) {
		if (poll(on, 2, -1) < 0 && errno != EINTR)
			return broken;
		if (on[1].revents) {
			ssize_t n = read(session, events, sizeof events - 1);
			events[n > 0 ? n : 0] = 0;
			if (n <= 0) {
				say("the agent is gone");
				on[1].fd = -1;
			} else if (strstr(events, "event: ended") && strstr(events, token)) {
				say("the query has to end");
				return ended;
			}
		}
		if (!on[0].revents)
			continue;
		ssize_t n = read(STDIN_FILENO, input + have, sizeof input - 1 - have);
		if (n <= 0)
			return n < 0 ? broken : done;
		have += (size_t)n;
		input[have] = 0;
		for (char *end; (end = strchr(input, '\n'));) {
			*end = 0;
			int outcome = may_dispatch(input);
			if (outcome != done)
				return outcome;
			have -= (size_t)(end + 1 - input);
			memmove(input, end + 1, have + 1);
		}
	}
}

int main(int argc, char **argv)
{
	char session[64], path[128];
	if (argc != 3) {
		fprintf(stderr, "usage: %s SOCKET DATABASE.TABLE[,...] < CHUNKS\n", argv[0]);
		return broken;
	}
	socket_path = argv[1];
	int fd = open_session(session, sizeof session);
	if (fd < 0) {
		fprintf(stderr, "%s: no agent at %s\n", argv[0], socket_path);
		return broken;
	}
	if (admit(session, argv[2]) != done)
		return refused;
	int outcome = run(fd);
	/* Here a czar cancels what runs and waits until it has ended. Only then does it release the query. */
	snprintf(path, sizeof path, "/v1/queries/%s", token);
	if (ask("DELETE", path, "") == 204)
		say("released");
	return outcome;
}
