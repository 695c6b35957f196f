#!/usr/bin/env bash
# A single-node Slurm on this machine, for tests: slurmctld, slurmd and munged from Debian's packages.
#
#   eval "$(scripts/slurm_node.sh start [DIR])"   install if necessary, start, wait, set this shell's environment
#   scripts/slurm_node.sh stop [DIR]              cancel running jobs and stop the daemons; DIR keeps the logs
#
# It writes only into DIR: keys, sockets, configuration, state, logs. Without DIR, `start` makes a new folder, and
# `stop` finds it through SLURM_CONF. Installing needs root and apt-get, starting needs neither. A second `start` of
# a running node only prints its environment. Several nodes can run side by side.
# Partitions: main, and urgent, whose jobs preempt those of main. No GPUs; memory is not a consumable resource.
set -euo pipefail

say() { echo "slurm_node: $*" >&2; }
die() { say "$@"; exit 1; }

install_slurm() {
    if type -P slurmctld slurmd munged sbatch srun >/dev/null; then return; fi
    if ! command -v apt-get >/dev/null; then die "Slurm is not installed, and this machine has no apt-get"; fi
    if [ "$(id -u)" != 0 ]; then die "Slurm is not installed, and only root can install it"; fi
    say "installing Slurm from Debian's packages"
    export DEBIAN_FRONTEND=noninteractive
    local get=(apt-get -qq -o DPkg::Lock::Timeout=60)
    local packages=(slurmctld slurmd slurm-client munge)
    if ! { "${get[@]}" update && "${get[@]}" install -y --no-install-recommends "${packages[@]}"; } \
        >"$dir/apt.log" 2>&1; then
        tail -n 3 "$dir/apt.log" >&2
        die "apt-get could not install ${packages[*]}"
    fi
}

free_ports() {
    python3 -c 'import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))'
}

write_configuration() {
    local cpus memory ctld_port d_port
    cpus=$(nproc)
    memory=$(awk '/^MemTotal:/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)  # MB
    read -r ctld_port d_port < <(free_ports)
    mkdir -p "$dir/state" "$dir/spool" "$dir/bin"
    (umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")

    # - linuxproc, task/none, jobacct_gather/none: a container cannot delegate cgroups.
    # - config_overrides: the node has the CPUs that this file gives, not those that slurmd counts in a container.
    # - cred_expire: a requeued job may start again after 5 s instead of 120.
    # - KillWait: a job that is cancelled or times out gets 2 s between SIGTERM and SIGKILL.
    # - MinJobAge: slurmctld remembers finished jobs for an hour; there is no database to ask.
    # - urgent: its jobs requeue those of main, after the signal that submitit waits for.
    cat >"$dir/slurm.conf" <<CONF
ClusterName=lsbench
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$ctld_port
SlurmdPort=$d_port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
PropagateResourceLimits=NONE
MailProg=/bin/true
MpiDefault=none
ReturnToService=2
KillWait=2
MinJobAge=3600
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=10
PartitionName=urgent Nodes=$node MaxTime=INFINITE State=UP PriorityTier=2
CONF

    # sacct needs a database daemon. This stand-in asks slurmctld, and knows only the call that submitit makes:
    # sacct -o JobID,State,NodeList --parsable2 -j ID -j ID. States that only scontrol has are mapped to sacct's.
    cat >"$dir/bin/sacct" <<'SACCT'
#!/usr/bin/env bash
echo "JobID|State|NodeList"
while [ $# -gt 0 ]; do
    if [ "$1" = -j ]; then
        scontrol --oneliner show job "$2" 2>/dev/null | awk '{
            delete f
            for (i = 1; i <= NF; i++) { p = index($i, "="); f[substr($i, 1, p - 1)] = substr($i, p + 1) }
            id = f["JobId"]
            if ("ArrayTaskId" in f) {
                task = f["ArrayTaskId"]
                id = f["ArrayJobId"] "_" (task ~ /^[0-9]+$/ ? task : "[" task "]")
            }
            state = f["JobState"]
            if (state == "CONFIGURING") state = "PENDING"
            if (state == "SUSPENDED" || state == "STOPPED") state = "RUNNING"
            if (id != "") print id "|" state "|" f["NodeList"]
        }'
        shift
    fi
    shift
done
SACCT
    chmod +x "$dir/bin/sacct"
}

# Not by kill -0: if a container's init process does not reap orphans, a stopped daemon remains as a zombie.
running() {
    local pid
    pid=$(cat "$dir/$1.pid" 2>/dev/null) && [ -n "$pid" ] &&
        awk -v name="$1" '/^Name:/ {n = $2} /^State:/ {s = $2} END {exit n != name || s == "Z"}' \
            "/proc/$pid/status" 2>/dev/null
}

# Daemons get none of our streams, or a reader of this script's output would wait for them.
daemon() {
    local name=$1
    shift
    if running "$name"; then return; fi
    rm -f "$dir/$name.pid"
    (cd / && "$@") </dev/null >>"$dir/$name.start.log" 2>&1 ||
        { tail -n 3 "$dir/$name.start.log" >&2; die "$name did not start; its logs are in $dir"; }
}

start() {
    if [ -z "$dir" ]; then dir=$(mktemp -d "${TMPDIR:-/tmp}/slurm.XXXXXX"); else mkdir -p "$dir"; fi
    dir=$(cd "$dir" && pwd)
    # munge.socket with munged's own suffix must fit into a socket's address, which holds 107 bytes
    if [ ${#dir} -gt 85 ]; then die "$dir: the path is too long for a socket"; fi
    install_slurm
    export SLURM_CONF=$dir/slurm.conf PATH=$dir/bin:$PATH
    if ! { running munged && running slurmctld && running slurmd; }; then
        stop
        write_configuration
        daemon munged munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" \
            --pid-file="$dir/munged.pid" --log-file="$dir/munged.log" --seed-file="$dir/munge.seed"
        daemon slurmctld slurmctld -f "$SLURM_CONF"
        daemon slurmd slurmd -f "$SLURM_CONF" -N "$node"
    fi
    local state="" deadline=$((SECONDS + 30))
    until [[ $state =~ ^(idle|mixed|allocated)$ ]]; do
        if [ $SECONDS -ge $deadline ]; then
            tail -n 3 "$dir/slurmctld.log" "$dir/slurmd.log" >&2 || true
            die "the node is '$state' instead of idle after 30 s; its logs are in $dir"
        fi
        sleep 0.3
        state=$(timeout 5 sinfo --noheader --partition=main --format=%T 2>/dev/null || true)
    done
    say "node $node is $state: $(nproc) CPUs; everything in $dir"
    printf 'export SLURM_CONF=%q\n' "$SLURM_CONF"
    printf "export PATH=%q:\$PATH\n" "$dir/bin"
}

stop() {
    if running slurmctld; then  # jobs outlive slurmd, so cancel them first
        local deadline=$((SECONDS + 15))
        SLURM_CONF=$dir/slurm.conf timeout 10 scancel --user="$(id -un)" 2>/dev/null || true
        while [ $SECONDS -lt $deadline ] && [ -n "$(SLURM_CONF=$dir/slurm.conf timeout 5 squeue -h 2>/dev/null)" ]; do
            sleep 0.3
        done
    fi
    local name
    for name in slurmd slurmctld munged; do
        if ! running "$name"; then continue; fi
        local pid deadline=$((SECONDS + 10))
        pid=$(<"$dir/$name.pid")
        kill "$pid" || true
        while running "$name"; do
            if [ $SECONDS -ge $deadline ]; then
                say "$name ($pid) does not end; killing it"
                kill -9 "$pid" || true
                break
            fi
            sleep 0.1
        done
    done
    rm -f "$dir"/*.pid
}

PATH=$PATH:/usr/sbin:/sbin  # where Debian keeps the daemons, and an ordinary user's PATH ends before
node=$(uname -n)
node=${node%%.*}
dir=${2:-}
case ${1:-} in
start)
    trap '[ $? = 0 ] || { echo false; stop; }' EXIT  # false: so that eval "$(... start)" fails too
    start
    ;;
stop)
    if [ -z "$dir" ]; then dir=$(dirname "${SLURM_CONF:?"which node? give its DIR, or set SLURM_CONF"}"); fi
    stop
    ;;
*)
    die "usage: $0 start [DIR] | stop [DIR]"
    ;;
esac
