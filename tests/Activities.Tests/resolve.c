/* Prints the addresses that the C library finds for a name, a line each, as programs ask for them: both families at once. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int count, char **arguments)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found;
    char text[INET6_ADDRSTRLEN];
    int error = count == 2 ? getaddrinfo(arguments[1], NULL, &hints, &found) : EAI_NONAME;
    if (error) return fprintf(stderr, "%s\n", gai_strerror(error)), 1;
    for (; found; found = found->ai_next)
    {
        const void *address = found->ai_family == AF_INET
            ? (void *)&((struct sockaddr_in *)found->ai_addr)->sin_addr
            : (void *)&((struct sockaddr_in6 *)found->ai_addr)->sin6_addr;
        puts(inet_ntop(found->ai_family, address, text, sizeof text));
    }

    return 0;
}
