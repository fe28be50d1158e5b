#!/bin/sh
# SPDX-License-Identifier: MIT
# Make what programs for Anole are compiled with: headers, libraries, and anole-gcc, which is the machine's gcc-12 told
# by a specs file to look nowhere else.  Usage: make-sysroot.sh STAGE SYSROOT
set -eu
stage=$1 sysroot=$2
bin=$(dirname "$sysroot")/bin
rm -rf "$sysroot.new"
mkdir -p "$sysroot.new" "$bin"
cp -a "$stage/usr/include" "$stage/usr/lib" "$sysroot.new/"
for d in linux asm-generic mtd; do cp -a "/usr/include/$d" "$sysroot.new/include/"; done
cp -a /usr/include/x86_64-linux-gnu/asm "$sysroot.new/include/"

cat >"$sysroot.new/anole.specs" <<END
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem $sysroot/include -isystem include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem $sysroot/include -isystem include%s

*link_libgcc:
-L$sysroot/lib -L .%s

*libgcc:
libgcc.a%s %:if-exists(libgcc_eh.a%s)

*startfile:
%{shared:;static-pie:$sysroot/lib/rcrt1.o;pie:$sysroot/lib/Scrt1.o;:$sysroot/lib/crt1.o} $sysroot/lib/crti.o %{shared|pie|static-pie:crtbeginS.o%s;:crtbeginT.o%s}

*endfile:
%{shared|pie|static-pie:crtendS.o%s;:crtend.o%s} $sysroot/lib/crtn.o

*link:
-nostdlib %{shared:-shared;static-pie:-static -pie --no-dynamic-linker -z text;static:-static;:%{pie:-pie} %{rdynamic:-export-dynamic} -dynamic-linker /lib/ld-musl-x86_64.so.1}

*esp_link:


*esp_options:


*esp_cpp_options:


END
# Static by default; -dynamic makes a program that uses libc.so.
cat >"$bin/anole-gcc.new" <<END
#!/bin/sh
unset LIBRARY_PATH CPATH C_INCLUDE_PATH
link=-static
for arg; do
	shift
	case \$arg in
	-dynamic) link= ;;
	-shared | -pie | -static-pie) link= && set -- "\$@" "\$arg" ;;
	*) set -- "\$@" "\$arg" ;;
	esac
done
exec gcc-12 -fno-pie -no-pie -specs "$sysroot/anole.specs" \$link "\$@"
END
chmod +x "$bin/anole-gcc.new"
mv "$bin/anole-gcc.new" "$bin/anole-gcc"
rm -rf "$sysroot"
mv "$sysroot.new" "$sysroot"
