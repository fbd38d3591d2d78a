// Attempts to get out of the sandbox, or to reach what it hides. Each prints
//     NAME|OPENED BY|held or THROUGH|detail
// where OPENED BY names what must be switched off for the attempt to get through: guards of the
// sandbox (see sandbox/weaken.rs), `network` for a sandbox in the host's network, or `outside` for
// attempts that the kernel refuses to every user namespace or that need the host's own files: those
// must get through on the host. The first is the control, which must always get through.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <grp.h>
#include <unistd.h>

static char buf[65536];
static char *home;

static long refuse(int e) { errno = e; return -1; }

// How the kernel refuses: everything else means that the call was carried out or judged on its
// arguments.
static int refused(int e) {
  return e == EPERM || e == ENOSYS || e == EACCES || e == EAFNOSUPPORT || e == ENOENT || e == EROFS || e == ESRCH ||
         e == ECONNREFUSED || e == ENETUNREACH || e == ENODEV || e == ENXIO;
}

// Only attempts that this opens; all of them without it.
static const char *only;
// The folder that the supervisor's arguments name.
static const char *host_path;

typedef long (*attempt)(void);
static void try(const char *name, const char *opened_by, int arguments_count, attempt a) {
  if (only && strcmp(only, opened_by) && strcmp(opened_by, "always")) return;
  int out[2];
  if (pipe(out)) exit(3);
  pid_t pid = fork();
  if (pid == 0) {
    alarm(5);
    errno = 0;
    long r = a();
    int e = errno;
    int through = r >= 0 || (!arguments_count && !refused(e));
    char text[256];
    int n = snprintf(text, sizeof text, "%s|r=%ld %s", through ? "THROUGH" : "held", r, r < 0 ? strerror(e) : "");
    if (write(out[1], text, n) != n) _exit(3);
    _exit(0);
  }
  close(out[1]);
  char text[256] = "held|ended by a signal or too late";
  ssize_t n = read(out[0], text, sizeof text - 1);
  if (n > 0) text[n] = 0;
  close(out[0]);
  waitpid(pid, 0, 0);
  printf("%s|%s|%s\n", name, opened_by, text);
  fflush(stdout);
}
// REACH: the kernel's judgement of deliberately wrong arguments counts as through. DO: only success.
#define REACH(name, by, expression) do { long f(void) { return (long)(expression); } try(name, by, 0, f); } while (0)
#define DO(name, by, expression) do { long f(void) { return (long)(expression); } try(name, by, 1, f); } while (0)

static long can_read(const char *path) {
  int fd = open(path, O_RDONLY | O_NONBLOCK);
  return fd < 0 ? -1 : read(fd, buf, 1) < 0 ? -1 : 0;
}
static long can_write(const char *path) { return open(path, O_WRONLY | O_NONBLOCK); }
// A mask is a device in place of a file.
static long is_a_file(const char *path) {
  struct stat s;
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  if (fstat(fd, &s) || !S_ISREG(s.st_mode)) return refuse(EACCES);
  return 0;
}
static long contains(const char *path, const char *text) {
  int fd = open(path, O_RDONLY);
  ssize_t got = fd < 0 ? -1 : read(fd, buf, sizeof buf);
  if (got < 0) return -1;
  return memmem(buf, got, text, strlen(text)) ? 0 : refuse(EACCES);
}
static long has_entries(const char *path) {
  DIR *d = opendir(path);
  struct dirent *e;
  if (!d) return -1;
  while ((e = readdir(d))) if (e->d_name[0] != '.') return 0;
  return refuse(EACCES);
}
static long write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  return fd < 0 ? -1 : write(fd, text, strlen(text));
}
static long raw_clone(unsigned long flags) {
  long r = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (r == 0) _exit(0);
  return r;
}
static long raw_clone3(void) {
  uint64_t args[11] = {0};
  args[4] = SIGCHLD;
  long r = syscall(SYS_clone3, args, 88);
  if (r == 0) _exit(0);
  return r;
}
static long ptrace_init(void) {
  long r = ptrace(PTRACE_SEIZE, 1, 0, 0);
  return r;
}
static long read_init(void) {
  // Any address will do: a refusal comes before the address is looked at.
  struct iovec here = {buf, 8}, there = {(void *)8, 8};
  long r = process_vm_readv(1, &here, 1, &there, 1, 0);
  return r < 0 && errno == EFAULT ? 0 : r;
}
static long fd_of_init(void) {
  int p = syscall(SYS_pidfd_open, 1, 0);
  return p < 0 ? -1 : syscall(SYS_pidfd_getfd, p, 0, 0);
}
static long enter(const char *path, int kind) {
  int fd = open(path, O_RDONLY);
  return fd < 0 ? -1 : syscall(SYS_setns, fd, kind);
}
static int terminal(void) {
  int m = posix_openpt(O_RDWR | O_NOCTTY);
  if (m < 0) return -1;
  grantpt(m);
  unlockpt(m);
  return open(ptsname(m), O_RDWR | O_NOCTTY);
}
static long climb(const char *goal) {
  int d = open("/", O_RDONLY);
  char jail[512];
  snprintf(jail, sizeof jail, "%s/jail", home);
  mkdir(jail, 0755);
  if (chroot(jail) || fchdir(d)) return -1;
  for (int i = 0; i < 99; i++) if (chdir("..")) return -1;
  if (chroot(".")) return -1;
  return access(goal, F_OK);
}
static long loopback_down(void) {
  struct ifreq r = {0};
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  strcpy(r.ifr_name, "lo");
  if (ioctl(s, SIOCGIFFLAGS, &r)) return -1;
  return ioctl(s, SIOCSIFFLAGS, &r);
}
static long netlink(int protocol, int type, int flags, const void *body, int length) {
  char m[256] = {0};
  struct nlmsghdr *h = (struct nlmsghdr *)m;
  int s = socket(AF_NETLINK, SOCK_RAW, protocol);
  if (s < 0) return -1;
  h->nlmsg_len = NLMSG_LENGTH(length);
  h->nlmsg_type = type;
  h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
  memcpy(NLMSG_DATA(h), body, length);
  if (send(s, m, h->nlmsg_len, 0) < 0) return -1;
  if (recv(s, buf, sizeof buf, 0) < 0) return -1;
  h = (struct nlmsghdr *)buf;
  if (h->nlmsg_type != NLMSG_ERROR) return 0;
  int e = ((struct nlmsgerr *)NLMSG_DATA(h))->error;
  return e ? refuse(-e) : 0;
}
static long new_interface(void) {
  struct { struct ifinfomsg i; struct rtattr a; struct rtattr k; char kind[8]; } m = {0};
  m.a.rta_type = IFLA_LINKINFO; m.a.rta_len = sizeof m.a + sizeof m.k + 5;
  m.k.rta_type = IFLA_INFO_KIND; m.k.rta_len = sizeof m.k + 5;
  strcpy(m.kind, "dummy");
  return netlink(NETLINK_ROUTE, RTM_NEWLINK, NLM_F_CREATE, &m, sizeof m);
}
static long abstract_socket(const char *name) {
  struct sockaddr_un a = {AF_UNIX, {0}};
  memcpy(a.sun_path + 1, name, strlen(name));
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  return connect(s, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}
static long loopback_port(int port) {
  struct sockaddr_in a = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}};
  return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof a);
}
static long int80(void) {
#ifdef __x86_64__
  long r;
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
  return r < 0 ? refuse(-r) : r;
#else
  return refuse(ENOSYS);
#endif
}
static long fifo(void) {
  struct sched_param p = {10};
  return sched_setscheduler(0, SCHED_FIFO, &p);
}
static const char *in_home(const char *name) {
  static char path[512];
  snprintf(path, sizeof path, "%s/%s", home, name);
  return path;
}
static long foreign_owner(void) {
  int fd = open(in_home("owned"), O_CREAT | O_RDWR, 0644);
  return fd < 0 ? -1 : fchown(fd, 70000, 70000);
}
static long foreign_group(void) { gid_t g = 70000; return setgroups(1, &g); }
static long wrong_clock(void) { struct timespec t = {0, -1}; return syscall(SYS_clock_settime, 0, &t); }
static long wrong_day(void) { struct { long s, u; } t = {0, -1}; return syscall(SYS_settimeofday, &t, 0); }
static long clock_state(int adjust) {
  struct timex t = {0};
  return adjust ? syscall(SYS_clock_adjtime, 0, &t) : syscall(SYS_adjtimex, &t);
}
static long event(void) { char attr[128] = {0}; attr[0] = 1; attr[4] = 112; return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0); }

int main(int count, char **arguments) {
  only = count > 1 ? arguments[1] : 0;
  // What the test knows of the host: paths, and things that it listens on.
  char *file = getenv("HOST_FILE"), *folder = getenv("HOST_FOLDER"), *other = getenv("OTHER_BUILD"), *name = getenv("HOST_SOCKET");
  int port = atoi(getenv("HOST_PORT")), pid = atoi(getenv("HOST_PID")), shm = atoi(getenv("HOST_SHM"));
  home = getenv("HOME");
  host_path = getenv("HOST_HOME");
  char process[64];
  snprintf(process, sizeof process, "/proc/%d/environ", pid);

  DO("control: getpid", "always", getpid());

  DO("mount a tmpfs", "seccomp,capabilities", mount("x", "/mnt", "tmpfs", 0, 0));
  DO("bind a folder", "seccomp,capabilities", mount("/", "/mnt", 0, MS_BIND, 0));
  DO("mount proc anew", "seccomp,capabilities", mount("x", "/mnt", "proc", 0, 0));
  DO("remount the root", "seccomp,capabilities", mount(0, "/", 0, MS_REMOUNT | MS_BIND, 0));
  DO("make /proc/sys writable", "seccomp,capabilities", mount(0, "/proc/sys", 0, MS_REMOUNT | MS_BIND, 0));
  DO("unmount /proc/sys", "seccomp,capabilities", umount2("/proc/sys", MNT_DETACH));
  DO("unmount a mask", "seccomp,capabilities", umount2("/proc/kallsyms", MNT_DETACH));
  DO("unmount /tmp", "seccomp,capabilities", umount2("/tmp", MNT_DETACH));
  REACH("pivot_root", "seccomp,capabilities", syscall(SYS_pivot_root, "/tmp", "/tmp"));
  DO("fsopen", "seccomp,capabilities", syscall(SYS_fsopen, "tmpfs", 0));
  REACH("fsconfig", "seccomp", syscall(SYS_fsconfig, -1, 6, 0, 0, 0));
  REACH("fsmount", "seccomp,capabilities", syscall(SYS_fsmount, -1, 0, 0));
  REACH("fspick", "seccomp,capabilities", syscall(SYS_fspick, AT_FDCWD, "/tmp", 0));
  DO("open_tree with clone", "seccomp,capabilities", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
  REACH("move_mount", "seccomp,capabilities", syscall(SYS_move_mount, -1, "x", AT_FDCWD, "/mnt", 0));
  REACH("mount_setattr", "seccomp,capabilities", syscall(SYS_mount_setattr, AT_FDCWD, "/tmp", 0, buf, 32));
  DO("mount a cgroup file system", "seccomp,capabilities", mount("x", "/mnt", "cgroup2", 0, 0));
  DO("mount an overlay of its own", "seccomp,capabilities", mount("x", "/mnt", "overlay", 0, "lowerdir=/etc:/usr"));

  DO("new mount namespace", "capabilities", unshare(CLONE_NEWNS));
  DO("new network namespace", "capabilities", unshare(CLONE_NEWNET));
  DO("new pid namespace", "capabilities", unshare(CLONE_NEWPID));
  DO("new ipc namespace", "capabilities", unshare(CLONE_NEWIPC));
  DO("new uts namespace", "capabilities", unshare(CLONE_NEWUTS));
  DO("new cgroup namespace", "capabilities", unshare(CLONE_NEWCGROUP));
  DO("new user namespace by unshare", "seccomp,masks", unshare(CLONE_NEWUSER));
  DO("new user namespace by clone", "seccomp,masks", raw_clone(CLONE_NEWUSER));
  DO("new user and mount namespace", "seccomp,masks", unshare(CLONE_NEWUSER | CLONE_NEWNS));
  DO("clone3", "seccomp", raw_clone3());
  DO("setns into its own namespace", "seccomp,capabilities", enter("/proc/self/ns/uts", 0));
  DO("setns into init's mounts", "seccomp,capabilities,dumpable", enter("/proc/1/ns/mnt", 0));

  DO("the host's folders in init's arguments", "masks", contains("/proc/1/cmdline", host_path));
  DO("init's environment", "capabilities,dumpable", can_read("/proc/1/environ"));
  DO("init's memory", "capabilities,dumpable", open("/proc/1/mem", O_RDWR));
  DO("init's map", "capabilities,dumpable", can_read("/proc/1/maps"));
  DO("init's descriptors", "capabilities,dumpable", has_entries("/proc/1/fd"));
  DO("init's program", "capabilities,dumpable", open("/proc/1/exe", O_RDONLY));
  DO("init's root", "capabilities,dumpable", can_read("/proc/1/root/etc/passwd"));
  DO("init's folder", "capabilities,dumpable", has_entries("/proc/1/cwd/"));
  DO("init's system call", "capabilities,dumpable", can_read("/proc/1/syscall"));
  DO("ptrace init", "capabilities,dumpable", ptrace_init());
  DO("process_vm_readv of init", "capabilities,dumpable", read_init());
  DO("pidfd_getfd of init", "capabilities,dumpable", fd_of_init());

  DO("/proc/kallsyms", "masks", is_a_file("/proc/kallsyms"));
  DO("/proc/keys", "masks", is_a_file("/proc/keys"));
  DO("/proc/interrupts", "masks", is_a_file("/proc/interrupts"));
  DO("/proc/modules", "masks", is_a_file("/proc/modules"));
  DO("/sys/kernel", "masks", has_entries("/sys/kernel"));
  DO("/sys/module", "masks", has_entries("/sys/module"));
  DO("/sys/fs", "masks", has_entries("/sys/fs"));
  DO("a setting of the network", "masks,capabilities", can_write("/proc/sys/net/ipv4/ip_forward"));
  DO("the limit on user namespaces", "masks,capabilities", write_text("/proc/sys/user/max_user_namespaces", "100"));
  DO("a file in /sys", "masks,capabilities", can_write("/sys/class/net/lo/ifalias"));

  DO("keyctl", "seccomp", syscall(SYS_keyctl, 0, -3, 1));
  DO("add_key", "seccomp", syscall(SYS_add_key, "user", "x", "y", 1, -2));
  REACH("request_key", "seccomp", syscall(SYS_request_key, "user", "x", 0, -2));
  DO("io_uring", "seccomp", syscall(SYS_io_uring_setup, 4, buf));
  DO("userfaultfd", "seccomp", syscall(SYS_userfaultfd, 1));
  DO("kcmp", "seccomp", syscall(SYS_kcmp, getpid(), getpid(), 1, 0, 0));
  DO("modify_ldt", "seccomp", syscall(SYS_modify_ldt, 0, buf, 64));
  DO("set_mempolicy", "seccomp", syscall(SYS_set_mempolicy, 0, 0, 0));
  DO("move_pages", "seccomp", syscall(SYS_move_pages, 0, 0, 0, 0, 0, 0));
  REACH("mbind", "seccomp", syscall(SYS_mbind, 1, 1, 99, 0, 0, 0));
  REACH("memfd_secret", "seccomp", syscall(447, -1));
  REACH("migrate_pages", "seccomp", syscall(SYS_migrate_pages, 0, -1, 0, 0));
  DO("fanotify", "seccomp", syscall(SYS_fanotify_init, 0x200, 0));
  DO("adjtimex", "seccomp", clock_state(0));
  DO("clock_adjtime", "seccomp", clock_state(1));
  DO("iopl", "seccomp", syscall(SYS_iopl, 0));
  DO("ioperm", "seccomp", syscall(SYS_ioperm, 0, 1, 0));
  DO("AF_VSOCK", "seccomp", socket(40, SOCK_STREAM, 0));
  DO("AF_ALG", "seccomp", socket(38, SOCK_SEQPACKET, 0));
  DO("AF_PACKET", "seccomp,capabilities", socket(17, SOCK_RAW, 0));
  DO("32-bit system call", "seccomp", int80());
  REACH("a newer system call", "seccomp", syscall(468, -1, 0, 0, 0, 0));
  REACH("push input into a terminal", "seccomp", ioctl(terminal(), TIOCSTI, "x"));
  REACH("paste into a console", "seccomp", ioctl(terminal(), TIOCLINUX, "x"));
  REACH("quotactl", "seccomp", syscall(SYS_quotactl, 0x80000100, 0, 0, 0));
  REACH("reboot", "seccomp,capabilities", syscall(SYS_reboot, 1, 2, 3, 0));

  DO("raw socket", "capabilities", socket(AF_INET, SOCK_RAW, 1));
  DO("take an interface down", "capabilities", loopback_down());
  DO("make an interface", "capabilities", new_interface());
  DO("change the host name", "capabilities", sethostname("x", 1));
  DO("CAP_SYS_ADMIN in the bounding set", "capabilities", prctl(PR_CAPBSET_READ, 21) == 1 ? 0 : refuse(EPERM));
  DO("CAP_SYS_PTRACE in the bounding set", "capabilities", prctl(PR_CAPBSET_READ, 19) == 1 ? 0 : refuse(EPERM));
  DO("CAP_NET_ADMIN in the bounding set", "capabilities", prctl(PR_CAPBSET_READ, 12) == 1 ? 0 : refuse(EPERM));
  DO("CAP_MKNOD in the bounding set", "capabilities", prctl(PR_CAPBSET_READ, 27) == 1 ? 0 : refuse(EPERM));

  DO("the host's abstract socket", "network", abstract_socket(name));
  DO("the host's loopback", "network", loopback_port(port));

  REACH("bpf", "outside", syscall(SYS_bpf, 999, buf, 64));
  DO("perf_event_open", "outside", event());
  REACH("load a module", "outside", syscall(SYS_finit_module, open("/dev/null", O_RDONLY), "", 0));
  REACH("unload a module", "outside", syscall(SYS_delete_module, "", 0x800));
  REACH("kexec", "outside", syscall(SYS_kexec_load, 0, 99, 0, 0xffff));
  REACH("accounting", "outside", syscall(SYS_acct, "/"));
  REACH("swap on", "outside", syscall(SYS_swapon, "/", 0));
  REACH("set the clock", "outside", wrong_clock());
  REACH("set the day", "outside", wrong_day());
  DO("read the kernel's log", "outside", syscall(SYS_syslog, 3, buf, 4096));
  REACH("open by handle", "outside", syscall(SYS_open_by_handle_at, -1, "\4\0\0\0\1\0\0\0aaaa", 0));
  DO("make a device: null", "outside", mknod(in_home("n"), S_IFCHR | 0600, makedev(1, 3)));
  DO("make a device: kernel log", "outside", mknod(in_home("k"), S_IFCHR | 0600, makedev(1, 11)));
  DO("make a device: block", "outside", mknod(in_home("b"), S_IFBLK | 0600, makedev(254, 0)));
  DO("/dev/kmsg", "outside", can_read("/dev/kmsg"));
  DO("/dev/mem", "outside", open("/dev/kmem", O_RDONLY) >= 0 || open("/dev/mem", O_RDONLY) >= 0 ? 0 : -1);
  DO("the kernel's messages", "outside", is_a_file("/proc/kmsg"));
  DO("core pattern", "outside", can_write("/proc/sys/kernel/core_pattern"));
  DO("sysrq", "outside", can_write("/proc/sysrq-trigger"));
  DO("become an id outside the range", "outside", syscall(SYS_setuid, 70000));
  DO("a group outside the range", "outside", foreign_group());
  DO("a file for an id outside the range", "outside", foreign_owner());
  DO("trusted attribute", "outside", setxattr(home, "trusted.overlay.opaque", "y", 1, 0));
  DO("better priority", "outside", setpriority(PRIO_PROCESS, 0, -5));
  DO("real-time scheduling", "outside", fifo());
  DO("audit", "outside", netlink(9, 1000, 0, buf, 0));
  DO("leave a chroot for the host", "outside", climb(file));
  DO("a file of the host", "outside", can_read(file));
  DO("the data folder", "outside", has_entries(folder));
  DO("another build's files", "outside", can_read(other));
  DO("a program's environment", "outside", can_read(process));
  DO("a signal to the supervisor", "outside", kill(pid, 0));
  DO("the supervisor's memory", "outside", open(process, O_RDONLY));
  DO("the host's shared memory", "outside", shmget(shm, 0, 0));
  return 0;
}
