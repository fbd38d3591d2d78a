// Takes memory or disk in a way that is hard to count, says "holding N" (mebibytes) and waits.
//     hoard KIND MEBIBYTES
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB (1L << 20)
static long want;

static void fail(const char *what) {
  printf("failed: %s: %s\n", what, strerror(errno));
  fflush(stdout);
  exit(1);
}
static void hold(long mebibytes) {
  printf("holding %ld\n", mebibytes);
  fflush(stdout);
  for (;;) pause();
}
static char *map(int flags, long bytes) {
  char *at = mmap(0, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (at == MAP_FAILED) fail("mmap");
  return at;
}
static long fill(int fd, long mebibytes) {
  static char block[MIB];
  memset(block, 1, sizeof block);
  long done = 0;
  while (done < mebibytes && write(fd, block, sizeof block) == sizeof block) done++;
  return done;
}
static int memory_file(void) {
  int fd = memfd_create("x", 0);
  if (fd < 0) fail("memfd_create");
  if (fill(fd, want) < want) fail("write");
  return fd;
}
// Files of 90 MiB, which have no name any more.
static int nameless(void) {
  int fd = open("hoarded", O_CREAT | O_RDWR | O_TRUNC, 0600);
  if (fd < 0) fail("open");
  if (fill(fd, 90) < 90) fail("write");
  unlink("hoarded");
  return fd;
}

static void shared(void) {
  memset(map(MAP_SHARED | MAP_ANONYMOUS, want * MIB), 1, want * MIB);
  hold(want);
}
static void device(void) {
  int fd = open("/dev/zero", O_RDWR);
  char *at = mmap(0, want * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) fail("mmap");
  memset(at, 1, want * MIB);
  hold(want);
}
static void memfd(void) { memory_file(); hold(want); }
static void *in_own_table(void *make) {
  if (unshare(CLONE_FILES)) fail("unshare");
  for (long held = 0; held < want; held += 90) ((int (*)(void))make)();
  hold(want);
  return 0;
}
static void thread(void *(*run)(void *), void *argument) {
  pthread_t t;
  if (pthread_create(&t, 0, run, argument)) fail("thread");
}
static int ninety_in_memory(void) {
  int fd = memfd_create("x", 0);
  if (fd < 0 || fill(fd, 90) < 90) fail("memfd");
  return fd;
}
static void memfd_of_a_thread(void) { thread(in_own_table, ninety_in_memory); for (;;) pause(); }
static void *private_memory(void *unused) {
  usleep(200000);
  memset(map(MAP_PRIVATE | MAP_ANONYMOUS, want * MIB), 1, want * MIB);
  hold(want);
  return 0;
}
// The first thread ends: /proc/PID has no memory to show any more.
static void without_first_thread(void) { thread(private_memory, 0); syscall(SYS_exit, 0); }
static void tables(void) {
  long step = 2 * MIB, count = want * MIB / 4096;
  char *at = mmap(0, step * count, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) fail("mmap");
  madvise(at, step * count, MADV_NOHUGEPAGE);
  static volatile char sink;
  for (long i = 0; i < count; i++) sink = at[i * step];
  hold(want);
}
// Half in temporary files, half in a process.
static void temporary(void) {
  const char *places[] = {"/tmp/hoarded", "/dev/shm/hoarded"};
  long done = 0;
  for (int i = 0; i < 2; i++) {
    int fd = open(places[i], O_CREAT | O_RDWR, 0600);
    if (fd < 0) fail(places[i]);
    done += fill(fd, want / 2 - done);
    unlink(places[i]);
  }
  memset(map(MAP_PRIVATE | MAP_ANONYMOUS, want / 2 * MIB), 1, want / 2 * MIB);
  hold(done + want / 2);
}
static void segments(void) {
  long done = 0;
  while (done < want) {
    int id = shmget(IPC_PRIVATE, 10 * MIB, IPC_CREAT | 0600);
    char *at = id < 0 ? (char *)-1 : shmat(id, 0, 0);
    if (at == (char *)-1) break;
    memset(at, 1, 10 * MIB);
    shmdt(at);
    done += 10;
  }
  hold(done);
}
static void semaphores(void) {
  long done = 0;
  while (done * 64 < want * MIB && semget(IPC_PRIVATE, 250, IPC_CREAT | 0600) >= 0) done += 250;
  hold(done * 64 / MIB);
}
static void messages(void) {
  struct { long kind; char text[8192]; } message = {1, {0}};
  long done = 0;
  while (done * 8192 < want * MIB) {
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    if (id < 0) break;
    while (done * 8192 < want * MIB && msgsnd(id, &message, sizeof message.text, IPC_NOWAIT) == 0) done++;
  }
  hold(done * 8192 / MIB);
}

static void mapped(void) {
  for (long held = 0; held < want; held += 90) {
    int fd = nameless();
    if (mmap(0, 90 * MIB, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED) fail("mmap");
    close(fd);
  }
  hold(want);
}
static void file_of_a_thread(void) { thread(in_own_table, nameless); for (;;) pause(); }
static void passed(void) {
  for (long held = 0; held < want; held += 90) {
    int pair[2], fd = nameless();
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) fail("socketpair");
    char control[CMSG_SPACE(sizeof fd)] = {0}, byte = 'x';
    struct iovec data = {&byte, 1};
    struct msghdr message = {0};
    message.msg_iov = &data, message.msg_iovlen = 1;
    message.msg_control = control, message.msg_controllen = sizeof control;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    if (sendmsg(pair[0], &message, 0) != 1) fail("sendmsg");
    close(fd);
  }
  hold(want);
}
// No hoard: eight processes share 160 MiB of every sort, most of it held in two ways.
static void fair(void) {
  int fd = memfd_create("x", 0);
  if (fd < 0 || fill(fd, 40) < 40) fail("memfd");
  int file = open("/dev/shm/fair", O_CREAT | O_RDWR, 0600);
  if (file < 0 || fill(file, 40) < 40) fail("/dev/shm");
  int id = shmget(IPC_PRIVATE, 40 * MIB, IPC_CREAT | 0600);
  char *segment = id < 0 ? (char *)-1 : shmat(id, 0, 0);
  if (segment == (char *)-1) fail("shmget");
  char *all[] = {map(MAP_SHARED | MAP_ANONYMOUS, 20 * MIB), map(MAP_PRIVATE | MAP_ANONYMOUS, 20 * MIB)};
  for (int i = 0; i < 2; i++) memset(all[i], 1, 20 * MIB);
  char *in_memory = mmap(0, 40 * MIB, PROT_READ, MAP_SHARED, fd, 0), *temporary = mmap(0, 40 * MIB, PROT_READ, MAP_SHARED, file, 0);
  if (in_memory == MAP_FAILED || temporary == MAP_FAILED) fail("mmap");
  memset(segment, 1, 40 * MIB);
  int ready[2];
  if (pipe(ready)) fail("pipe");
  for (int i = 0; i < 8; i++) {
    if (fork()) continue;
    static volatile char sink;
    for (long at = 0; at < 40 * MIB; at += 4096) sink = in_memory[at] + temporary[at] + segment[at] + all[0][at / 2];
    if (write(ready[1], "x", 1) == 1) for (;;) pause();
  }
  char byte;
  for (int i = 0; i < 8; i++) if (read(ready[0], &byte, 1) != 1) fail("read");
  // A child that shares the whole address space.
  if (vfork() == 0) { usleep(300000); _exit(0); }
  hold(160);
}

int main(int count, char **arguments) {
  struct { const char *name; void (*run)(void); } kinds[] = {
    {"shared", shared}, {"device", device}, {"memfd", memfd}, {"memfd-of-a-thread", memfd_of_a_thread},
    {"without-first-thread", without_first_thread}, {"tables", tables}, {"temporary", temporary},
    {"segments", segments}, {"semaphores", semaphores}, {"messages", messages},
    {"mapped", mapped}, {"file-of-a-thread", file_of_a_thread}, {"passed", passed}, {"fair", fair},
  };
  if (count != 3) return 2;
  want = atol(arguments[2]);
  for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(arguments[1], kinds[i].name)) kinds[i].run();
  return 2;
}
